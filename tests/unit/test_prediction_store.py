"""Settings of where predictions are kept: what is wrong is told in a line, shows no secret, and tokens do then."""

from __future__ import annotations

from pathlib import Path

import pytest

from bento_observe._environment import EnvironmentReader
from bento_observe._prediction_store import PredictionStore
from bento_observe.settings import Settings, from_environment


def settings(**environ: str) -> Settings:
    given = {f"BENTO_OBSERVE_PREDICTIONS{name}" if name[:1] in ("", "_") else name: v for name, v in environ.items()}
    return from_environment(EnvironmentReader({"BENTO_OBSERVE_PREDICTIONS": "elasticsearch", **given}))


def test_tokens_are_the_default() -> None:
    assert from_environment(EnvironmentReader({})).predictions is None
    found = from_environment(EnvironmentReader({"BENTO_OBSERVE_PREDICTIONS": "Tokens"}))
    assert (found.predictions, found.problems) == (None, ())


def test_nothing_but_the_kind_is_needed() -> None:
    assert settings().predictions == PredictionStore()
    assert settings().problems == ()


def test_everything_can_be_said(tmp_path: Path) -> None:
    """A user and a password also in the URL, as other programs have it."""
    certificate = tmp_path / "ca.pem"
    certificate.write_text("")
    found = settings(
        _URL="https://me:p%40ss@es.example:9243/prefix/", _INDEX="logs-*.otel-*,-logs-x", _API_KEY="S2V5",
        _CERTIFICATE=str(certificate), _TIMEOUT="2.5", _WAIT="0",
    )  # fmt: skip
    assert found.problems == ()
    assert found.predictions == PredictionStore(
        "https://es.example:9243/prefix", "logs-*.otel-*,-logs-x", "me", "p@ss", "S2V5", str(certificate), 2.5, 0.0
    )
    assert settings(_USER="you", _PASSWORD="secret").predictions == PredictionStore(user="you", password="secret")
    assert "secret" not in repr(settings(_PASSWORD="secret", _API_KEY="secret"))


@pytest.mark.parametrize(
    "url",
    ["es.example:9200", "ftp://es", "http://", "http://es:port", "http://es:99999", "http://e s", "http://es?pretty"],
)
def test_a_url_that_is_none_is_told(url: str) -> None:
    found = settings(_URL=url)
    assert found.predictions is None
    assert found.problems == (
        f"BENTO_OBSERVE_PREDICTIONS_URL={url!r} is not a URL of Elasticsearch; "
        "tokens are used: write it as http://localhost:9200",
    )


def test_no_secret_is_told() -> None:
    """Of whatever is wrong."""
    told = "\n".join(
        problem
        for found in (
            settings(_URL="htp://me:secret@es"),
            settings(_API_KEY="secret secret"),
            settings(_API_KEY="secr\xe9t"),
        )
        for problem in found.problems
    )
    assert told.count("\n") == 2
    assert "secr" not in told
    assert "me" not in told.replace("means", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [("OTEL_LOGS_EXPORTER", "none"), ("OTEL_LOGS_EXPORTER", "console"), ("BENTO_OBSERVE_PREDICTION_HEADER", "none")],
)
def test_predictions_that_cannot_be_sent_are_told(name: str, value: str) -> None:
    """They are sent as logs are, and by the ids of answers."""
    environ = {"BENTO_OBSERVE_PREDICTIONS": "elasticsearch", name: value}
    found = from_environment(EnvironmentReader(environ))
    assert found.predictions is None
    assert "BENTO_OBSERVE_PREDICTIONS='elasticsearch' has no way to send predictions" in found.problems[0]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("_TIMEOUT", "0", "5 is used"),
        ("_WAIT", "soon", "5 is used"),
        ("_INDEX", "a/b", "is not the name of an index"),
        ("_CERTIFICATE", "/nowhere.pem", "tokens are used"),
        ("", "redis", "is not one of tokens, elasticsearch"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(name: str, value: str, said: str) -> None:
    """With the setting, the value and what is done."""
    (problem,) = settings(**{name: value}).problems
    assert problem.startswith(f"BENTO_OBSERVE_PREDICTIONS{name}={value!r} ")
    assert said in problem
