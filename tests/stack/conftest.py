"""The real servers, once a session, on free ports and with data of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from receiver import Receiver

from bento_observe.stack import Stack, missing_tools
from bento_observe.stack._build import artifact, build, not_built, tools_lacking
from bento_observe.stack._directories import default_cache_dir
from bento_observe.stack._recipes import recipes


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack that is up, from the shared cache of built servers.

    Without the tools to build or run it the tests are skipped; where CI is set, that is a failure.
    """
    _need_tools()
    stack = Stack(data_dir=tmp_path_factory.mktemp("stack"), ports="free")
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():  # a build takes minutes: its progress is to be seen
        stack.up(progress=print)
    yield stack
    stack.down()


@pytest.fixture(scope="session")
def promtool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prometheus' own checker of rules, built the first time; it needs no server."""
    _need_tools()
    return Stack(data_dir=tmp_path_factory.mktemp("promtool")).tool("promtool", progress=print)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def switch() -> Iterator[Receiver]:
    """A dead man's switch."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def demo_stack(
    receiver: Receiver, switch: Receiver, promtool: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack with the demonstration's windows, which tells the receiver; skipped where `promtool` is.

    Tickets come as Slack would get them, too.
    """
    stack = Stack(data_dir=tmp_path_factory.mktemp("demo"), ports="free", demo=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALERT_WEBHOOK_URL", receiver.url)
        patch.setenv("ALERT_TICKET_SLACK_URL", receiver.url)
        patch.setenv("ALERT_TICKET_SLACK_CHANNEL", "#alerts")
        patch.setenv("ALERT_WATCHDOG_WEBHOOK_URL", switch.url)
        stack.up(progress=print)
    yield stack
    stack.down()


def _need_tools() -> None:
    missing = missing_tools()
    if missing:
        reason = "the real servers cannot run here: " + "; ".join(map(str, missing))
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def collector_log(stack: Stack) -> Iterator[Path]:
    """The Collector's log, shown when a test fails."""
    log = stack.log("otelcol")
    yield log
    for file in (log.with_name(f"{log.name}.1"), log):  # a restart begins a new one
        if file.exists():
            print(file.read_text(errors="replace")[-5000:])


@pytest.fixture(scope="session")
def otelcol() -> Path:
    """The Collector's program, built the first time."""
    cache = default_cache_dir()
    (recipe,) = (one for one in recipes() if one.name == "otelcol")
    if not_built(cache, [recipe]) and (missing := tools_lacking([recipe])):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("; ".join(map(str, missing)))
    build(cache, [recipe], print)
    return artifact(cache, recipe) / "otelcol"
