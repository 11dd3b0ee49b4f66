"""Where predictions are kept, if they are: settings of the Elasticsearch in which plain ids are looked up."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass, field
from typing import Final

from bento_observe._environment import EnvironmentReader

__all__ = ["INDEX", "PredictionStore", "store_of"]

INDEX: Final = "predictions-bentoml.otel-*"
"""The data streams that the Collector of `collector/` writes predictions to."""

_PREFIX: Final = "BENTO_OBSERVE_PREDICTIONS"
_URL: Final = "http://localhost:9200"
_TOKENS, _ELASTICSEARCH = "tokens", "elasticsearch"
_INDEX_NAMES: Final = re.compile(r"[^\s/\\?#\"<>|]+")


@dataclass(frozen=True)
class PredictionStore:
    """An Elasticsearch with predictions.

    `url` has no user in it; `index` is what Elasticsearch takes for one, patterns included; of `api_key` and `user`
    with `password` one is used. `certificate` is the path of a PEM file with the authority's. `timeout` is the most
    seconds for one look-up, `wait` those that an id is asked for again which is not there yet.
    """

    url: str = _URL
    index: str = INDEX
    user: str = ""
    password: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)
    certificate: str | None = None
    timeout: float = 5.0
    wait: float = 5.0


def store_of(env: EnvironmentReader, *, with_events: bool) -> PredictionStore | None:
    """What the environment says; None where predictions are told by tokens, which is the default.

    Where it cannot be used, that is a problem, and tokens do.

    Args:
        env: the environment.
        with_events: whether predictions have ids, and there is a way for log records, which they are sent as.
    """
    if env.choice([_PREFIX], (_TOKENS, _ELASTICSEARCH), _TOKENS) == _TOKENS:
        return None
    if not with_events:
        env.problem(
            _PREFIX, _ELASTICSEARCH, "has no way to send predictions",
            "tokens are used: OTEL_LOGS_EXPORTER has to be otlp, and BENTO_OBSERVE_PREDICTION_HEADER not none",
        )  # fmt: skip
        return None
    faults = len(env.problems)
    url, user, password = _place(env)
    certificate = env.readable_file(f"{_PREFIX}_CERTIFICATE", remedy="tokens are used until it names a readable file")
    if len(env.problems) > faults:
        return None
    return PredictionStore(
        url=url,
        index=_index(env),
        user=env.text(f"{_PREFIX}_USER")[1] or user,
        password=env.text(f"{_PREFIX}_PASSWORD")[1] or password,
        api_key=_api_key(env),
        certificate=certificate,
        timeout=env.number([f"{_PREFIX}_TIMEOUT"], 5.0, 0.1, 60, "seconds"),
        wait=env.number([f"{_PREFIX}_WAIT"], 5.0, 0, 60, "seconds"),
    )


def _place(env: EnvironmentReader) -> tuple[str, str, str]:
    """The URL, and the user and the password that it may have in it."""
    name, value = env.text(f"{_PREFIX}_URL")
    try:
        parts = urllib.parse.urlsplit(value or _URL)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", value)
        usable = usable and parts.port != 0 and not parts.query and not parts.fragment
    except ValueError:
        usable = False
    if not usable:
        # A password may stand anywhere before the last @.
        shown = f"***@{value.rpartition('@')[2]}" if "@" in value else value
        env.problem(name, shown, "is not a URL of Elasticsearch", f"tokens are used: write it as {_URL}")
        return "", "", ""
    where = parts.netloc.rpartition("@")[2]
    user, password = (urllib.parse.unquote(part or "") for part in (parts.username, parts.password))
    return f"{parts.scheme}://{where}{parts.path.rstrip('/')}", user, password


def _index(env: EnvironmentReader) -> str:
    name, value = env.text(f"{_PREFIX}_INDEX")
    if value and not _INDEX_NAMES.fullmatch(value):
        env.problem(name, value, "is not the name of an index", f"{INDEX} is used: write names, commas and '*'")
        return INDEX
    return value or INDEX


def _api_key(env: EnvironmentReader) -> str:
    """As Elasticsearch gives it out: encoded, one word."""
    name, value = env.text(f"{_PREFIX}_API_KEY")
    if not value.isascii() or any(character.isspace() for character in value):
        env.problem(name, "***", "is not an encoded API key", "it is left out: write what Elasticsearch calls encoded")
        return ""
    return value
