"""What a server has written, made comparable with what another one has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_VARYING = (
    (r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", "TIME"),
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
    (r"\d+\.\d{3}ms", "DURATION"),
)


def lines(output: str, varying: Sequence[tuple[str, str]], without: str = "") -> Counter[str]:
    """How often each line was written, without what differs from run to run.

    `varying` are more patterns and what takes their place; lines with the text `without` are left out, as are the
    frames of tracebacks and what we say of odd inputs.
    """
    found: Counter[str] = Counter()
    for line in output.splitlines():
        if line.startswith("  ") or "feature" in line or (without and without in line):
            continue
        for pattern, replacement in (*_VARYING, *varying):
            line = re.sub(pattern, replacement, line)
        found[line] += 1
    return found
