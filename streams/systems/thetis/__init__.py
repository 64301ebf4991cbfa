"""Thetis IMS: a warehouse system."""

from streams.systems.thetis.manifest import SYSTEM

__all__ = ["SYSTEM"]
