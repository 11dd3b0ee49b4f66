"""Text and bars that a terminal with no colours, or with nothing but ASCII, shows as well."""

from __future__ import annotations

from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

__all__ = ["Strip", "Words"]

_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_ASCII: Final = str.maketrans(
    {"├": "|", "└": "`", "│": "|", "─": "-", "✗": "x", "·": "-", "–": "-", "≤": "<=", "…": "..."}
)


class Words:
    """Text that loses its typography where the terminal has only ASCII."""

    def __init__(self, words: str, style: str = "") -> None:
        self._words, self._style = words, style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(_spelled(self._words, options), self._style, overflow="ellipsis", no_wrap=True)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, Text(_spelled(self._words, options)))


class Strip:
    """A bar from the share `begin` to the share `end` of its cell, long enough to be seen unless it is nothing."""

    def __init__(self, begin: float, end: float, style: str) -> None:
        self._begin, self._end, self._style = begin, end, style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        first = min(int(self._begin * width), width - 1)
        eighths = min(round((self._end - self._begin) * width * 8), (width - first) * 8)
        if self._end > self._begin or self._begin > 0:
            eighths = max(eighths, 1)
        if options.ascii_only:
            bar = "#" * -(-eighths // 8)
        else:
            bar = "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
        yield Text(" " * first + bar, self._style)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(8, options.max_width)


def _spelled(words: str, options: ConsoleOptions) -> str:
    return words.translate(_ASCII) if options.ascii_only else words
