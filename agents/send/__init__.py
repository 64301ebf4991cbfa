"""Tell a channel what to show: `level.<c>.v1` to HTTP calls, their outcomes and what was told."""

from agents.send.agent import send_agent
from agents.send.bulk import bulk_send_agent

__all__ = ["bulk_send_agent", "send_agent"]
