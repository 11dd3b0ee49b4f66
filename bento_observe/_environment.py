"""Reads typed values from environment variables and remembers every one that makes no sense."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Mapping, Sequence

__all__ = ["EnvironmentReader"]


class EnvironmentReader:
    """Typed look-ups over `environ`; what cannot be used is told in `problems`, and the default is taken.

    A value is never raised about: a typing error in the environment of a running service must not stop the service.
    Each problem is one line naming the setting, the value and the remedy.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, *names: str) -> tuple[str, str]:
        """(name, value) of the first of `names` that is set and not blank; (names[0], "") if none is."""
        for name in names:
            value = self._environ.get(name, "").strip()
            if value:
                return name, value
        return names[0], ""

    def problem(self, name: str, value: str, fault: str, remedy: str) -> None:
        """Remember that `name` holds the unusable `value`."""
        line = f"{name}={value!r} {fault}; {remedy}"
        if line not in self.problems:
            self.problems.append(line)

    def choice(self, names: Sequence[str], allowed: Sequence[str], default: str) -> str:
        """One of `allowed` (compared in lower case), or `default`."""
        name, value = self.text(*names)
        if not value:
            return default
        if value.lower() in allowed:
            return value.lower()
        shown = default or "none"
        self.problem(name, value, f"is not one of {', '.join(allowed)}", f"{shown} is used: correct it or unset it")
        return default

    def choices(self, name: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
        """Those of `allowed` that the variable lists, separated by commas; all of them where it is not set."""
        _, value = self.text(name)
        wanted = [part.strip().lower() for part in value.split(",")]
        unknown = [part for part in wanted if part not in allowed]
        if value and not unknown:
            return tuple(one for one in allowed if one in wanted)
        if value:
            self.problem(name, value, f"has {unknown[0]!r}, which is not one of {', '.join(allowed)}", "all are used")
        return allowed

    def flag(self, names: Sequence[str], default: bool) -> bool:
        """true or false, or `default`."""
        return self.choice(names, ("true", "false"), "true" if default else "false") == "true"

    def number(self, names: Sequence[str], default: float, minimum: float, maximum: float, unit: str) -> float:
        """A number between `minimum` and `maximum` (both allowed), or `default`."""
        name, value = self.text(*names)
        if not value:
            return default
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if minimum <= number <= maximum:
            return number
        fault = f"is not a number between {minimum:g} and {maximum:g} ({unit})"
        self.problem(name, value, fault, f"{default:g} is used: correct it or unset it")
        return default

    def pairs(self, *names: str, secret: bool = False) -> dict[str, str]:
        """`key=value,key=value` with percent-encoded values, as OTLP headers and resource attributes are written.

        Of what is `secret` nothing is shown in a problem.
        """
        name, value = self.text(*names)
        found: dict[str, str] = {}
        for item in filter(None, (part.strip() for part in value.split(","))):
            key, separator, raw = item.partition("=")
            if not separator or not key.strip():
                self.problem(
                    name, "***" if secret else item, "is not key=value", "it is left out: write key=value,key=value"
                )
                continue
            found[key.strip()] = urllib.parse.unquote(raw.strip())
        return found

    def readable_file(self, *names: str, remedy: str = "nothing is sent until it names a readable file") -> str | None:
        """Path of a file that can be read; None when unset. Unreadable ones are a problem and stay in the result."""
        name, value = self.text(*names)
        if not value:
            return None
        try:
            with open(value, "rb") as file:
                file.read(1)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            self.problem(name, value, f"cannot be read ({reason})", remedy)
        return value

    @classmethod
    def of_process(cls) -> EnvironmentReader:
        """A reader of this process's environment."""
        return cls(os.environ)
