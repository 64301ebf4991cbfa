"""A sales system of the user's own that speaks the shop protocol (see README.md)."""

from streams.systems.shop.manifest import SYSTEM

__all__ = ["SYSTEM"]
