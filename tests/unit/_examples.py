"""How many examples a property is tried with."""

from __future__ import annotations

import os

__all__ = ["examples"]


def examples(count: int) -> int:
    """`count`; the part of it that TEST_EXAMPLES says where others try all, as in most environments of the matrix."""
    return max(1, round(count * float(os.environ.get("TEST_EXAMPLES", "1"))))
