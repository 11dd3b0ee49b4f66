"""What can go wrong in the demonstration and is told to a person."""

from __future__ import annotations

__all__ = ["DemoError"]


class DemoError(Exception):
    """The demonstration cannot go on; the message says why and what to do, the end of a log may follow it."""
