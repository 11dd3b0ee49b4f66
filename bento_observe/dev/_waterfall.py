"""A trace in the terminal: its spans as a tree, each with a bar where in the trace's time it ran."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from bento_observe.dev._strokes import Strip, Words

__all__ = ["Bar", "waterfall"]

_MAX_ROWS: Final = 60


@dataclass(frozen=True)
class Bar:
    """One span of a waterfall; times in nanoseconds."""

    span_id: str
    parent_span_id: str | None
    name: str
    service: str
    start_ns: int
    end_ns: int
    error: bool = False
    message: str | None = None


def waterfall(spans: Sequence[Bar], *, title: str = "") -> RenderableType:
    """One trace as a tree, a row a span, with a bar where in the trace's time it ran and its milliseconds.

    A span whose parent isn't among `spans` stands at the top level. An error is marked with `✗` (`x` in ASCII) and
    told in words. `ValueError` with no spans.
    """
    if not spans:
        raise ValueError("a waterfall needs at least one span")
    begin, end = min(span.start_ns for span in spans), max(span.end_ns for span in spans)
    total = max(end - begin, 1)
    decimals = 3 if total < 1e6 else 2 if total < 1e8 else 1
    several = len({span.service for span in spans}) > 1

    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=44)
    if several:
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=20, style="dim")
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True, ratio=1)
    service_title = ["service"] if several else []
    table.add_row("span", *service_title, "ms", _Axis(total / 1e6), style="dim")
    for guide, span in list(_tree(spans))[:_MAX_ROWS]:
        style = "red" if span.error else "cyan"
        bar = Strip((span.start_ns - begin) / total, (span.end_ns - begin) / total, style)
        milliseconds = f"{(span.end_ns - span.start_ns) / 1e6:,.{decimals}f}"
        service = [span.service] if several else []
        table.add_row(_Label(guide, span), *service, milliseconds, bar)

    errors = [span for span in spans if span.error]
    facts = [title, _plural(len(spans), "span"), f"{total / 1e6:,.{decimals}f} ms"]
    if errors:
        facts.append(_plural(len(errors), "error"))
    parts: list[RenderableType] = [Words(" · ".join(fact for fact in facts if fact), "bold"), table]
    if len(spans) > _MAX_ROWS:
        parts.append(Words(f"… and {_plural(len(spans) - _MAX_ROWS, 'more span')}", "dim"))
    parts.extend(Words(f"✗ {span.name}: {span.message}", "red") for span in errors[:5] if span.message)
    return Group(*parts)


class _Label(Words):
    """A span's name behind the lines of its tree."""

    def __init__(self, guide: str, span: Bar) -> None:
        super().__init__(f"{guide}{'✗ ' if span.error else ''}{span.name}", "red" if span.error else "")


class _Axis:
    """0, the quarters and the end of `total` milliseconds, above the bars."""

    def __init__(self, total: float) -> None:
        self._total = total

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        line = [" "] * width
        for quarter in range(5):
            tick = f"{self._total * quarter / 4:.3g}"
            at = min(round(width * quarter / 4), width - len(tick))
            line[at : at + len(tick)] = tick
        yield Text("".join(line), overflow="crop", no_wrap=True)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(8, options.max_width)


def _tree(spans: Sequence[Bar]) -> Iterator[tuple[str, Bar]]:
    """Every span once, parents before children, with the lines that stand before its name."""
    known = {span.span_id for span in spans}
    children: dict[str | None, list[Bar]] = {}
    in_time = sorted(spans, key=lambda span: (span.start_ns, -span.end_ns))
    for span in in_time:
        parent = span.parent_span_id if span.parent_span_id in known else None
        children.setdefault(parent, []).append(span)

    shown: set[int] = set()
    # After the roots every span again: those that name each other as parents hang from no root.
    for root in [*children.get(None, ()), *in_time]:
        stack = [("", "", root)]
        while stack:
            guide, below, span = stack.pop()
            if id(span) in shown:
                continue
            shown.add(id(span))
            yield guide, span
            own = children.get(span.span_id, [])
            for last, child in enumerate(reversed(own)):
                branch, line = ("├─ ", "│  ") if last else ("└─ ", "   ")
                stack.append((below + branch, below + line, child))


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
