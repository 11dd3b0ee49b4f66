"""What is wrong with a reference that was to be loaded."""

from __future__ import annotations

__all__ = ["BadReferenceError"]


class BadReferenceError(ValueError):
    """A reference that cannot be used. The message is one line: the file, the field, what is wrong, and the remedy."""

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        super().__init__(" ".join(f"reference {where}: {problem}; {remedy}".split()))
