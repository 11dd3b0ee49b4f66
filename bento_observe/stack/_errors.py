"""The one error of this package."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot do what was asked; the message says why and what to do, and is meant to be shown as it is."""
