"""How Grafana writes a variable's value into a query.

After `formatRegistry` and `sceneInterpolator` of Grafana's scenes library, `escaping.ts` of its Prometheus data source
without the feature toggle `prometheusSpecialCharsInLabelValues`, which is off by default, as of Grafana 11.6.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

__all__ = ["Chosen", "Format", "UnknownVariableError", "lucene", "plain", "prometheus", "replace"]

Value = str | tuple[str, ...]

_REFERENCE: Final = re.compile(
    r"\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?:\.([^:^}]+))?(?::([^}]+))?\}"
)  # three spellings: $name, [[name:format]], ${name.path:format}
_URL_SAFE: Final = "-_."
"""What stays as it is in a URL, beside letters and digits; `~` does too, but Python never quotes it."""


class UnknownVariableError(LookupError):
    """A text refers to a variable that the dashboard does not have; Grafana would send the reference as it stands."""


@dataclass(frozen=True)
class Chosen:
    """What is chosen of a variable.

    Attributes:
        name: The variable.
        value: The value, or several; `()` where there is nothing to choose from.
        escaped: Whether the data source takes the value for part of a regular expression: of a variable of several
            values, or with "All" among its choices.
        literal: What is put in instead, as it stands and in any format: the variable's own text for "All".
    """

    name: str
    value: Value
    escaped: bool = False
    literal: str | None = None


Format = Callable[[Chosen], str]


def replace(text: str, scope: Mapping[str, Chosen], default: Format) -> str:
    """`text` with every reference to a variable replaced; a format that is written out wins over `default`.

    Raises:
        UnknownVariableError: there is no such variable in `scope`.
        ValueError: Grafana has no such format, or this has not.
    """

    def written(match: re.Match[str]) -> str:
        name = match[1] or match[2] or match[4]
        chosen = scope.get(name)
        if chosen is None and name.isdigit():  # a group of PromQL's label_replace
            return match[0]
        if chosen is None:
            raise UnknownVariableError(f"{match[0]} in {text!r}")
        if chosen.literal is not None:
            return replace(chosen.literal, scope, default)
        return _named(match[3] or match[6] or "", default)(chosen)

    return _REFERENCE.sub(written, text)


def plain(chosen: Chosen) -> str:
    """Grafana's default, `glob`: one value as it is, several as {a,b}."""
    several = _several(chosen)
    return "{" + ",".join(several) + "}" if len(several) > 1 else "".join(several)


def prometheus(chosen: Chosen) -> str:
    """What Grafana's Prometheus data source makes of a value without a format. A double quote goes in as it is."""
    if not chosen.escaped:
        return plain(chosen).replace("\\", "\\\\").replace("'", "\\\\'")
    written = [re.sub(r"[$^*{}\[\]+?.()|]", r"\\\\\g<0>", v.replace("\\", "\\" * 4)) for v in _several(chosen)]
    return written[0] if len(written) == 1 else f"({'|'.join(written)})"


def lucene(chosen: Chosen) -> str:
    """What Grafana's Elasticsearch data source makes of it: `lucene`."""
    if isinstance(chosen.value, str):
        return _lucene_escaped(chosen.value)
    if not chosen.value:
        return "__empty__"
    return "(" + " OR ".join(f'"{_lucene_escaped(value)}"' for value in chosen.value) + ")"


def _regex(chosen: Chosen) -> str:
    written = [re.sub(r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", value) for value in _several(chosen)]
    return written[0] if len(written) == 1 else f"({'|'.join(written)})"


def _quoted(mark: str) -> Format:
    return lambda chosen: ",".join(mark + value.replace(mark, "\\" + mark) + mark for value in _several(chosen))


def _json(chosen: Chosen) -> str:
    if isinstance(chosen.value, str):
        return chosen.value
    return json.dumps(chosen.value, ensure_ascii=False, separators=(",", ":"))


def _percent(chosen: Chosen) -> str:
    value = chosen.value if isinstance(chosen.value, str) else "{" + ",".join(chosen.value) + "}"
    return quote(value, safe=_URL_SAFE)


def _parameters(chosen: Chosen) -> str:
    return "&".join(f"var-{chosen.name}={quote(value, safe=_URL_SAFE)}" for value in _several(chosen))


_FORMATS: Final[Mapping[str, Format]] = {
    "glob": plain,
    "raw": lambda chosen: ",".join(_several(chosen)),
    "csv": lambda chosen: ",".join(_several(chosen)),
    "pipe": lambda chosen: "|".join(_several(chosen)),
    "text": lambda chosen: " + ".join(_several(chosen)),
    "regex": _regex,
    "lucene": lucene,
    "singlequote": _quoted("'"),
    "doublequote": _quoted('"'),
    "json": _json,
    "percentencode": _percent,
    "queryparam": _parameters,
}


def _named(name: str, default: Format) -> Format:
    if not name:
        return default
    if name not in _FORMATS:
        raise ValueError(f"no format {name!r}; there are {', '.join(_FORMATS)}")
    return _FORMATS[name]


def _several(chosen: Chosen) -> tuple[str, ...]:
    return (chosen.value,) if isinstance(chosen.value, str) else chosen.value


def _lucene_escaped(value: str) -> str:
    try:
        float(value or "0")
    except ValueError:
        return re.sub(r"[!*+\-=<>\s&|()\[\]{}^~?:\\/\"]", r"\\\g<0>", value)
    return value
