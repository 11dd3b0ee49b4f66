"""What can go wrong with the embedded receiver and is told to a person in one line."""

from __future__ import annotations

__all__ = ["DatabaseError", "DevError", "MissingExtraError", "PortTakenError", "QueryError"]


class DevError(Exception):
    """Base of the errors below; the message is one line that ends with the remedy."""


class MissingExtraError(DevError, ImportError):
    """DuckDB is not installed."""


class PortTakenError(DevError, OSError):
    """Another process listens on `port`, which was asked for."""

    def __init__(self, port: int, reason: str) -> None:
        super().__init__(f"port {port} of 127.0.0.1 can't be had ({reason}): choose another, 0 for any that is free")
        self.port = port


class DatabaseError(DevError):
    """The DuckDB file can't be opened: in use, not a DuckDB file, or of another layout."""


class QueryError(DevError, ValueError):
    """A query was refused (it writes, or leaves the database) or DuckDB could not run it."""
