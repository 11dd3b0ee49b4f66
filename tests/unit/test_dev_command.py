"""`bento-observe dev` as its users meet it: a process with arguments, an environment, signals and an exit status."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

CLI = [sys.executable, "-c", "from bento_observe.cli import main; main(prog_name='bento-observe')", "dev"]
FREE = ["--grpc-port", "0", "--http-port", "0"]
SEND = """
from opentelemetry.exporter.otlp.proto.{module}.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind
provider = TracerProvider(resource=Resource({{"service.name": "wine"}}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
tracer = provider.get_tracer("t")
for _ in range(7):
    with tracer.start_as_current_span("POST /predict", kind=SpanKind.SERVER), tracer.start_as_current_span("predict"):
        pass
provider.shutdown()
raise SystemExit(3)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "BENTO_OBSERVE_"))}
    return kept | {"XDG_STATE_HOME": str(tmp_path / "state"), "NO_COLOR": "1", "BENTOML_DO_NOT_TRACK": "True"}


def _dev(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CLI, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False)


def _start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*CLI, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_hear_signals,
    )


def _hear_signals() -> None:
    """The tests may run under nohup, or in a shell's background: what is ignored there stays ignored in children."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize(("protocol", "module"), [("", "grpc"), ("http/protobuf", "http")])
def test_a_command_is_pointed_at_the_receiver_and_its_exit_status_is_ours(environment, protocol, module):
    """Telemetry of a program that was told nothing arrives, is summed up, and can be looked at afterwards."""
    environment["OTEL_EXPORTER_OTLP_PROTOCOL"] = protocol
    run = _dev(environment, *FREE, "--", sys.executable, "-c", SEND.format(module=module))
    assert run.returncode == 3
    assert run.stdout == ""
    assert "bento-observe stack up" in run.stderr
    summary = dict(re.findall(r"^(requests|spans|log records|metric series) +(\S+)", run.stderr, re.MULTILINE))
    assert summary == {"requests": "7", "spans": "14", "log records": "0", "metric series": "0"}

    asked = _dev(environment, "query", "--json", "SELECT count(*) AS n FROM spans")
    assert (asked.returncode, asked.stdout) == (0, '{"n": 14}\n')
    table = _dev(environment, "query", "SELECT route, duration_ms FROM requests").stdout
    assert len(table.strip().splitlines()) == 2 + 7
    drawn = _dev(environment, "trace").stdout
    assert re.search(r"2 spans .*\n.*\nPOST /predict .*█\n└─ predict ", drawn)


def test_what_is_received_is_for_its_owner_only(environment, tmp_path):
    """Whatever the umask, which the command keeps for itself: the database, its log, the directories made for them."""
    show = f"""
import os, pathlib
print(oct(os.umask(0)))
for path in sorted(pathlib.Path({str(tmp_path)!r}).rglob("*")): print(path.name, oct(path.stat().st_mode & 0o777))
"""
    before = os.umask(0o022)
    try:
        run = _dev(environment, *FREE, "--", sys.executable, "-c", show)
    finally:
        os.umask(before)
    mask, *found = run.stdout.splitlines()
    assert mask == "0o22"
    assert found == [
        "state 0o700",
        "bento-observe 0o700",
        "dev.duckdb 0o600",
        "dev.duckdb.running 0o600",
        "dev.duckdb.wal 0o600",
    ]


def test_what_the_user_set_stays(environment):
    """An endpoint of the user's own is not overridden, and the user is told where telemetry goes."""
    environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://collector.example:4317"
    show = "import os; print(os.environ['OTEL_EXPORTER_OTLP_ENDPOINT'], os.environ.get('OTEL_EXPORTER_OTLP_PROTOCOL'))"
    run = _dev(environment, *FREE, "--", sys.executable, "-c", show)
    assert run.stdout == "http://collector.example:4317 None\n"
    assert "OTEL_EXPORTER_OTLP_ENDPOINT is set and stays" in run.stderr


def test_each_signal_goes_where_its_own_protocol_and_endpoint_say(environment):
    """Metrics over HTTP beside gRPC arrive; traces that the user sends elsewhere stay so, and that is told."""
    environment["OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"] = "http/protobuf"
    environment["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = "http://collector.example:4317"
    send = """
import os
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
meters.get_meter("t").create_counter("requests").add(1)
meters.shutdown()
print(os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"], os.environ["OTEL_METRIC_EXPORT_INTERVAL"])
"""
    run = _dev(environment, *FREE, "--", sys.executable, "-c", send)
    assert run.stdout == "http://collector.example:4317 1000\n"
    assert "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set and stays" in run.stderr
    assert re.search(r"^metric series +1 ", run.stderr, re.MULTILINE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_command_once(environment, number):
    """Even when a terminal sends it to the whole foreground group; the command's way of ending is ours."""
    program = f"""
import signal, sys, time
seen = []
signal.signal({int(number)}, lambda *_: seen.append(1))
print("ready", flush=True)
while not seen: time.sleep(0.01)
time.sleep(0.3)
print("signals:", len(seen), flush=True)
sys.exit(5)
"""
    with _start(environment, *FREE, "--", sys.executable, "-c", program) as process:
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, number)
        out, err = process.communicate(timeout=30)
    assert out == "signals: 1\n"
    assert process.returncode == 5
    assert "Received" in err


def test_a_command_that_a_signal_ended_gives_128_and_its_number(environment):
    """As a shell does."""
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert _dev(environment, *FREE, "--", sys.executable, "-c", kill).returncode == 128 + signal.SIGKILL


def test_a_command_that_does_not_exist_is_told(environment):
    """127, as a shell does, and no traceback."""
    run = _dev(environment, *FREE, "--", "no-such-command")
    assert run.returncode == 127
    assert "no-such-command can't be started" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_alone_it_runs_until_it_is_stopped_and_answers_queries_meanwhile(environment, number):
    """DuckDB locks its file, so the second process is answered by the first."""
    with _start(environment, *FREE) as process:
        greeting = process.stderr.readline()
        assert "OTLP over gRPC at 127.0.0.1:" in greeting
        endpoint = re.search(r"gRPC at (\S+)", greeting)[1]
        sender = environment | {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{endpoint}"}
        subprocess.run([sys.executable, "-c", SEND.format(module="grpc")], env=sender, check=False, timeout=30)
        asked = _dev(environment, "query", "--json", "SELECT count(*) AS n FROM spans")
        assert asked.stdout == '{"n": 14}\n'
        refused = _dev(environment, "query", "DELETE FROM spans")
        assert (refused.returncode, refused.stdout) == (1, "")
        second = _dev(environment, *FREE)
        assert second.returncode == 1
        assert re.fullmatch(r"Error: .*dev\.duckdb is in use by another `bento-observe dev`.*--db\n", second.stderr)
        os.killpg(process.pid, number)
        try:
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    assert re.search(r"^spans +14 *$", err, re.MULTILINE)


def test_taken_ports_are_an_error_alone_and_replaced_beside_a_command(environment):
    """One line that names port and option; a command doesn't care which port it is pointed at."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for option in ("--grpc-port", "--http-port"):
            other = FREE[2:] if option == "--grpc-port" else FREE[:2]
            run = _dev(environment, *other, option, port)
            assert run.returncode == 1
            assert re.fullmatch(rf"Error: port {port} .*{option}.*\n", run.stderr)
            run = _dev(environment, *other, option, port, "--", sys.executable, "-c", SEND.format(module="grpc"))
            assert run.returncode == 3
            assert re.search(rf"Port {port} is taken: \d+ instead", run.stderr)


def test_a_user_without_a_home_names_the_file(environment, tmp_path):
    """As in a container with a user id of no name: one line with the remedy, and --db is enough."""
    nameless = "import os, pwd\nos.environ.pop('HOME')\npwd.getpwuid = lambda number: {}[number]\n"
    (tmp_path / "sitecustomize.py").write_text(nameless)
    del environment["XDG_STATE_HOME"]
    environment |= {"PYTHONPATH": str(tmp_path), "HOME": ""}
    for arguments in (FREE, ["query", "SELECT 1"], ["trace"]):
        run = _dev(environment, *arguments)
        assert (run.returncode, run.stderr) == (
            1,
            "Error: this user has no home directory: set XDG_STATE_HOME or --db\n",
        )
    run = _dev(environment, *FREE, "--db", str(tmp_path / "dev.duckdb"), "--", sys.executable, "-c", "")
    assert run.returncode == 0
    assert "Kept in" in run.stderr
    assert _dev(environment, "query", "SELECT 1", "--db", str(tmp_path / "dev.duckdb")).returncode == 0


def test_without_duckdb_the_extra_is_named_in_one_line(environment, tmp_path):
    """A package that fails to import stands in for one that isn't there."""
    (tmp_path / "duckdb.py").write_text("raise ModuleNotFoundError(\"No module named 'duckdb'\")\n")
    environment["PYTHONPATH"] = str(tmp_path)
    for arguments in (FREE, ["query", "SELECT 1", "--db", __file__]):
        run = _dev(environment, *arguments)
        assert run.returncode == 1
        assert re.fullmatch(r"Error: .*pip install 'bento-observe\[dev\]'\n", run.stderr)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--max-size", "many"], "'many' is not a size: write it as 512MB or 1GiB"),
        (["bentoml", "serve"], "to run a command: bento-observe dev -- bentoml serve"),
        (["query", "SELECT 1"], "there is no database at"),
        (["trace"], "there is no database at"),
        (["features", "alcohol"], "there is no database at"),
    ],
)
def test_mistakes_are_told_in_words(environment, arguments, says):
    """Status other than 0, the remedy, no traceback."""
    run = _dev(environment, *arguments)
    assert run.returncode != 0
    assert says in run.stderr
    assert "Traceback" not in run.stderr
