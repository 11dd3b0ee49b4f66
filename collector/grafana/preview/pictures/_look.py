"""Colours, and what a panel says of its fields: which unit a series has, and what colour a value."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from collector.grafana.preview._model import Panel
from collector.grafana.preview._units import written

__all__ = ["COLOURS", "GRID", "INK", "PALE", "PALETTE", "colour_of", "field", "named", "on", "shown"]

INK, PALE, GRID = "#24292f", "#6e7781", "#e3e6ea"
PALETTE: Final = (
    "#3274d9", "#e0752d", "#56a64b", "#a352cc", "#d9a404", "#2ba6b5", "#e02f44", "#8f6b4a", "#7c8894", "#d15c9c",
)  # fmt: skip
COLOURS: Final = {
    "green": "#56a64b", "orange": "#ff9830", "red": "#e02f44", "blue": "#3274d9", "yellow": "#f2cc0c",
    "purple": "#a352cc", "text": "#8c959f", "transparent": "#ffffff00",
}  # fmt: skip
_LIGHT: Final = 510
_SHADES: Final = {"super-light": (255, 0.6), "light": (255, 0.35), "semi-dark": (0, 0.15), "dark": (0, 0.35)}


def named(colour: str) -> str:
    """The colour that Grafana means by a name such as semi-dark-red; others are as they stand."""
    shade, _, plain = colour.rpartition("-")
    if plain not in COLOURS:
        return colour if colour.startswith("#") else INK
    towards, part = _SHADES.get(shade, (0, 0.0))
    levels = [int(COLOURS[plain][at : at + 2], 16) for at in (1, 3, 5)]
    mixed = "".join(f"{round(level + (towards - level) * part):02x}" for level in levels)
    return f"#{mixed}{COLOURS[plain][7:]}"


def on(colour: str) -> str:
    """What can be read on a colour: white, or ink where it is light or transparent."""
    levels = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return INK if sum(levels) > _LIGHT or (colour.endswith("00") and len(colour) > len("#rrggbb")) else "white"


def field(panel: Panel, name: str) -> Mapping[str, Any]:
    """All that holds for the field of that name: the defaults, and what overrides them."""
    found: dict[str, Any] = dict(panel.defaults)
    for override in panel.overrides:
        matcher = override["matcher"]
        if (matcher["id"] == "byName" and matcher["options"] == name) or (
            matcher["id"] == "byRegexp" and re.search(matcher["options"].strip("/"), name)
        ):
            found |= {each["id"]: each.get("value") for each in override["properties"]}
    return found


def colour_of(settings: Mapping[str, Any], value: float) -> str | None:
    """The colour that a field's thresholds give a value; None where there are none."""
    steps: Sequence[Mapping[str, Any]] = (settings.get("thresholds") or {}).get("steps") or ()
    reached = [step for step in steps if step.get("value") is None or value >= step["value"]]
    return named(reached[-1]["color"]) if reached and len(steps) > 1 else None


def shown(settings: Mapping[str, Any], value: float) -> tuple[str, str | None]:
    """How a field's value is written, and the colour that its mapping or its thresholds give it."""
    for mapping in settings.get("mappings") or ():
        found = mapping["options"].get(f"{value:g}") if mapping["type"] == "value" and not math.isnan(value) else None
        if found:
            colour = found.get("color")
            return str(found.get("text") or value), None if colour is None else named(colour)
    text = written(value, settings.get("unit") or "", settings.get("decimals"))
    return text, colour_of(settings, value)
