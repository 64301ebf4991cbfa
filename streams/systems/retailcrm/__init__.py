"""retailCRM (Simla.com), API v5: a channel that keeps stock per store and is told it in portions (see README.md)."""

from streams.systems.retailcrm.manifest import SYSTEM

__all__ = ["SYSTEM"]
