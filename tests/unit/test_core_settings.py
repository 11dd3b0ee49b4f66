"""What the environment says, and what is done about what makes no sense."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bento_observe._environment import EnvironmentReader
from bento_observe._observe import Options
from bento_observe.settings import SIGNALS, Settings, from_environment


def settings(**environ: str) -> Settings:
    return from_environment(EnvironmentReader(environ))


def test_nothing_set_gives_the_specified_defaults() -> None:
    """gRPC to localhost:4317 without TLS, all signals, everything sampled, a minute between metrics."""
    found = settings()

    assert found == Settings()
    assert found.problems == ()
    assert {found.endpoint(signal).url for signal in SIGNALS} == {"http://localhost:4317"}


def test_a_signals_own_variable_wins_over_the_general_one() -> None:
    """Endpoint, protocol, headers, timeout and compression."""
    found = settings(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://all:4317",
        OTEL_EXPORTER_OTLP_LOGS_ENDPOINT="https://logs:4318/custom",
        OTEL_EXPORTER_OTLP_LOGS_PROTOCOL="http/protobuf",
        OTEL_EXPORTER_OTLP_HEADERS="a=1",
        OTEL_EXPORTER_OTLP_LOGS_HEADERS="b=2",
        OTEL_EXPORTER_OTLP_TIMEOUT="3",
        OTEL_EXPORTER_OTLP_LOGS_TIMEOUT="2500",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        OTEL_EXPORTER_OTLP_LOGS_COMPRESSION="none",
    )

    assert (found.traces.url, found.traces.protocol, found.traces.insecure) == ("http://all:4317", "grpc", True)
    assert (found.logs.url, found.logs.protocol) == ("https://logs:4318/custom", "http/protobuf")
    assert not found.logs.insecure
    assert (found.traces.headers, found.logs.headers) == ((("a", "1"),), (("b", "2"),))
    assert (found.traces.timeout, found.logs.timeout) == (3.0, 2.5)
    assert (found.traces.compression, found.logs.compression) == ("gzip", "")
    assert found.problems == ()


def test_a_general_http_endpoint_gets_the_path_of_each_signal() -> None:
    """With and without a slash and a path of its own; a signal's own endpoint is taken as it is."""
    for url in ("http://host:4318/base", "http://host:4318/base/"):
        found = settings(
            OTEL_EXPORTER_OTLP_ENDPOINT=url,
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
            OTEL_EXPORTER_OTLP_METRICS_ENDPOINT="http://host/metrics",
        )
        assert found.traces.url == "http://host:4318/base/v1/traces"
        assert found.logs.url == "http://host:4318/base/v1/logs"
        assert found.metrics.url == "http://host/metrics"


def test_http_without_an_endpoint_goes_to_its_own_port() -> None:
    """4318, not gRPC's 4317."""
    assert settings(OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf").traces.url == "http://localhost:4318/v1/traces"


@pytest.mark.parametrize(
    ("url", "insecure", "expected"),
    [
        ("http://host:4317", "false", True),
        ("https://host:4317", "true", False),
        ("host:4317", "", False),
        ("host:4317", "true", True),
        ("unix:///run/collector.sock", "", True),
    ],
)
def test_the_scheme_says_whether_there_is_tls(url: str, insecure: str, expected: bool) -> None:
    """`OTEL_EXPORTER_OTLP_INSECURE` counts only where there is no scheme, as the specification has it."""
    found = settings(OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_EXPORTER_OTLP_INSECURE=insecure)

    assert found.problems == ()
    assert found.traces.insecure is expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan"),
        ("OTEL_TRACES_EXPORTER", "jaeger"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "udp"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "soon"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "both"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "some"),
        ("OTEL_SDK_DISABLED", "1"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team"),
        ("BENTO_OBSERVE_LOG_LEVEL", "loud"),
        ("BENTO_OBSERVE_QUEUE_BYTES", "5"),
        ("BENTO_OBSERVE_TRACE_HEADER", "x trace"),
        ("BENTO_OBSERVE_REFERENCE", "no/such/reference.json"),
        ("BENTO_OBSERVE_SLICE_VALUES", "0"),
    ],
)
def test_a_bad_value_is_told_in_one_line_and_the_default_is_taken(name: str, value: str) -> None:
    """The line names the setting and the value and says what to do; all else is as without it."""
    found = settings(**{name: value})

    (problem,) = found.problems
    assert f"{name}={value!r}" in problem
    assert "; " in problem
    assert "\n" not in problem
    assert found == Settings(problems=found.problems)


@pytest.mark.parametrize(
    "url",
    ["collector", "collector port 4317", "http://", "ftp://host:21", "http://host:port", "http://[::1", "host:99999"],
)
def test_an_endpoint_that_is_no_url_switches_its_signals_off(url: str) -> None:
    """Sending somewhere else than asked for would be worse."""
    found = settings(OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_EXPORTER_OTLP_LOGS_ENDPOINT="http://host:4317")

    assert (found.traces.exporter, found.metrics.exporter, found.logs.exporter) == ("none", "none", "otlp")
    assert len(found.problems) == 2
    assert all(f"OTEL_EXPORTER_OTLP_ENDPOINT={url!r} is not a URL" in problem for problem in found.problems)


def test_a_certificate_that_cannot_be_read_switches_its_signal_off(tmp_path: Path) -> None:
    """A missing file and a directory; a readable file is no problem."""
    readable = tmp_path / "ca.pem"
    readable.write_text("anything")
    found = settings(
        OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE=str(tmp_path / "missing.pem"),
        OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY=str(tmp_path),
        OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE=str(readable),
    )

    assert (found.traces.exporter, found.metrics.exporter) == ("none", "none")
    assert (found.logs.exporter, found.logs.certificate) == ("otlp", str(readable))
    assert len(found.problems) == 2
    assert all("cannot be read" in problem for problem in found.problems)


def test_what_is_in_headers_is_never_shown() -> None:
    """They hold credentials; a malformed one is told without its text."""
    found = settings(OTEL_EXPORTER_OTLP_HEADERS="Authorization: secret,ok=1")

    assert found.traces.headers == (("ok", "1"),)
    assert found.problems
    assert "secret" not in "".join(found.problems)


def test_signals_that_are_not_sent_need_no_sound_endpoint() -> None:
    """Nothing is read of an exporter that is off."""
    found = settings(
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="console",
        OTEL_LOGS_EXPORTER="none",
        OTEL_EXPORTER_OTLP_ENDPOINT="nonsense",
    )

    assert found.problems == ()
    assert (found.traces.exporter, found.metrics.exporter) == ("none", "console")


def test_no_environment_makes_reading_fail() -> None:
    """A thousand random environments: settings come out, problems are single lines."""
    names = [
        *(f"OTEL_EXPORTER_OTLP_{part}" for part in ("ENDPOINT", "PROTOCOL", "HEADERS", "TIMEOUT", "INSECURE")),
        *("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_METRIC_EXPORT_INTERVAL", "OTEL_RESOURCE_ATTRIBUTES"),
        *("BENTO_OBSERVE_TRACE_HEADER", "BENTO_OBSERVE_QUEUE_BYTES", "OTEL_EXPORTER_OTLP_CERTIFICATE"),
    ]
    values = ["", " ", "=", ",", "%zz", "://", "http://[", "1e400", "-0", "nan", "\n", "ü", "a=b=c", "unix:", "grpc"]
    generator = random.Random(1)
    for _ in range(1000):
        environ = {name: "".join(generator.choices(values, k=generator.randint(0, 3))) for name in names}
        assert all("\n" not in problem for problem in settings(**environ).problems), environ


def test_windows_and_methods_of_drift_may_be_chosen() -> None:
    """Lengths of time with a unit; the methods in their own order."""
    found = settings(BENTO_OBSERVE_DRIFT_WINDOWS="90s, 30m,7d", BENTO_OBSERVE_DRIFT_METHODS="ks, PSI")
    assert found.drift_windows == {"90s": 90.0, "30m": 1800.0, "7d": 604_800.0}
    assert found.drift_methods == ("psi", "ks")
    assert settings(BENTO_OBSERVE_DRIFT_WINDOWS="none").drift_windows == {}
    assert settings().drift_windows == {"1h": 3600.0, "24h": 86_400.0}
    assert len(settings().drift_methods) == 7


@pytest.mark.parametrize(
    "value",
    [
        "1",
        "h",
        "1w",
        "-1h",
        "0h",
        "1h,,2h",
        "1h,60m",
        "1s,2s,3s,4s,5s",
        "31d",
        "²h",
        pytest.param("9" * 5000 + "s", id="long"),
    ],
)
def test_windows_that_make_no_sense_are_told(value: str) -> None:
    """Setting, value and remedy; the defaults stay."""
    found = settings(BENTO_OBSERVE_DRIFT_WINDOWS=value)
    (problem,) = found.problems
    assert problem.startswith(f"BENTO_OBSERVE_DRIFT_WINDOWS={value!r}")
    assert "1h,24h" in problem
    assert found.drift_windows == settings().drift_windows


def test_methods_that_do_not_exist_are_told() -> None:
    """All are used then."""
    found = settings(BENTO_OBSERVE_DRIFT_METHODS="psi,kl")
    (problem,) = found.problems
    assert "'kl'" in problem
    assert found.drift_methods == settings().drift_methods


def test_arguments_of_observe_win_over_the_environment(tmp_path: Path) -> None:
    """Reference and slices, each on its own; how many values are told apart belongs to the slices."""
    path = tmp_path / "reference.json"
    path.write_text("{}")
    found = settings(
        BENTO_OBSERVE_REFERENCE=str(path), BENTO_OBSERVE_SLICES=" country, plan,country", BENTO_OBSERVE_SLICE_VALUES="5"
    )

    assert found.problems == ()
    assert Options().completed(found) == Options(str(path), ("country", "plan"), 5)
    assert Options(reference="wine:latest").completed(found) == Options("wine:latest", ("country", "plan"), 5)
    assert Options(slices=("age",)).completed(found) == Options(str(path), ("age",), 20)
    assert Options().completed(settings()) == Options()


def test_no_more_slices_than_may_be_are_taken_from_the_environment() -> None:
    """Told, and the first eight used."""
    found = settings(BENTO_OBSERVE_SLICES=",".join("abcdefghi"))

    assert found.slices == tuple("abcdefgh")
    assert "BENTO_OBSERVE_SLICES='a,b,c,d,e,f,g,h,i' are more than 8 columns" in found.problems[0]
