"""Tell a channel what to show: `level.<c>.v1` to HTTP calls, their outcomes and what was told."""

from agents.send.agent import send_agent

__all__ = ["send_agent"]
