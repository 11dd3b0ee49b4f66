"""What a PromQL expression names, told without a server: its series, the labels that select them, those it groups by.

Only as much of the language as this project's expressions use; the real Prometheus parses all of them in tests/stack.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
  | (?P<range>\[[^\]]*\])
  | (?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?(?:ms|[smhdwy])?)
  | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
  | (?P<mark>=~|!~|!=|==|>=|<=|[-+*/%^(){},=<>])
    )\s*""",
    re.VERBOSE,
)
_LABELS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}


@dataclass(frozen=True)
class Selector:
    """Some series: their name, empty where they are chosen by labels alone, and the labels that choose."""

    series: str
    labels: frozenset[str]
    function: str = ""
    """The function that is called with it, if any."""


@dataclass
class Named:
    """What an expression names: selectors, labels in `by (...)` and the like, functions and aggregations."""

    selectors: list[Selector] = field(default_factory=list)
    grouped: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)


def named(expr: str) -> Named:
    """Read an expression whose variables are put in.

    Raises:
        ValueError: it has something that this reader does not know.
    """
    found = Named()
    tokens = _Tokens(expr)
    while (kind := tokens.kind()) is not None:
        text, before = tokens.take(), tokens.called
        if kind == "name" and text in _LABELS:
            if tokens.peek() == "(":
                found.grouped.update(tokens.names_until(")"))
        elif kind == "name" and text not in _WORDS and tokens.peek() in ("(", *_LABELS):
            found.functions.add(text)
        elif (kind == "name" and text not in _WORDS) or text == "{":
            selected = text == "{" or tokens.peek() == "{"
            if selected and text != "{":
                tokens.take()
            labels = tokens.names_until("}") if selected else ()
            found.selectors.append(Selector("" if text == "{" else text, frozenset(labels), before))
    return found


class _Tokens:
    """The tokens of an expression from the left; `called` is the name before a parenthesis that was just opened."""

    def __init__(self, expr: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(expr):
            match = _TOKEN.match(expr, at)
            if match is None or match.lastgroup is None:
                raise ValueError(f"{expr[at : at + 20]!r} is not understood")
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        self._next = 0

    @property
    def called(self) -> str:
        """For a token that was just taken."""
        before = self._tokens[max(0, self._next - 3) : self._next - 1]
        return before[0][1] if len(before) == 2 and before[1][1] == "(" and before[0][0] == "name" else ""

    def kind(self) -> str | None:
        return self._tokens[self._next][0] if self._next < len(self._tokens) else None

    def peek(self) -> str:
        return self._tokens[self._next][1] if self._next < len(self._tokens) else ""

    def take(self) -> str:
        self._next += 1
        return self._tokens[self._next - 1][1]

    def names_until(self, end: str) -> Iterator[str]:
        while self.peek() != end:
            kind = self.kind()
            if kind is None:
                raise ValueError(f"{end} is missing")
            text = self.take()
            if kind == "name":
                yield text
        self.take()
