"""The stack as a whole: build, start in order, watch until ready, stop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from bento_observe.stack import _build, _retention, _tools
from bento_observe.stack._assets import collector_dir
from bento_observe.stack._build import Report
from bento_observe.stack._directories import default_cache_dir, default_data_dir
from bento_observe.stack._errors import StackError
from bento_observe.stack._ports import LOOPBACK, PortChoice, Ports, choose_ports
from bento_observe.stack._processes import Handle, last_lines, signals_held, spawn, stop
from bento_observe.stack._recipes import COLLECTOR, ELASTICSEARCH, recipes
from bento_observe.stack._servers import Server, prepare, servers
from bento_observe.stack._state import State, StateFile
from bento_observe.stack._templates import install_templates
from bento_observe.stack._tools import MissingTool

_READY_TIMEOUT_S = 120.0
_POLL_S = 0.1
_STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Running:
    """Where a running stack is to be reached.

    Attributes:
        otlp_grpc: For `OTEL_EXPORTER_OTLP_ENDPOINT` with protocol grpc.
        otlp_http: The same for http/protobuf.
        jaeger: Jaeger's query API.
        prometheus: Prometheus.
        elasticsearch: Elasticsearch.
    """

    otlp_grpc: str
    otlp_http: str
    jaeger: str
    prometheus: str
    elasticsearch: str


@dataclass(frozen=True)
class ServerStatus:
    """One server, as it is now; `version` is empty and `memory` (resident bytes) 0 where it does not run."""

    name: str
    version: str
    healthy: bool
    url: str
    pid: int
    memory: int


def missing_tools(cache_dir: Path | None = None) -> list[MissingTool]:
    """What `Stack(cache_dir=cache_dir).up()` would need on this machine and does not find.

    Building takes Go, Maven and a JDK; what is in the cache already needs no building, but Elasticsearch always runs
    on the JDK.
    """
    unbuilt = _build.not_built(cache_dir or default_cache_dir(), recipes())
    missing = _build.tools_lacking(unbuilt)
    jdk = _tools.jdk()
    if isinstance(jdk, MissingTool) and jdk not in missing:
        missing.append(jdk)
    return missing


class Stack:
    """Elasticsearch, Jaeger, Prometheus and the Collector on this machine's loopback, without Docker.

    The servers outlive the program that starts them. What was started stands in the data directory, so another
    program finds it with the same `data_dir`. As a context manager it is up inside and down after.

    Args:
        cache_dir: Where the built servers are; default `$BENTO_OBSERVE_CACHE`, else the user's cache directory.
        data_dir: Where data, logs and state are; default in the user's data directory.
        ports: "default" takes each server's usual port and another where that is taken; "free" never the usual ones.
    """

    def __init__(
        self, *, cache_dir: Path | None = None, data_dir: Path | None = None, ports: PortChoice = "default"
    ) -> None:
        self.cache_dir = (cache_dir or default_cache_dir()).absolute()
        self.data_dir = (data_dir or default_data_dir()).absolute()
        self._ports = ports
        self._file = StateFile(self.data_dir)

    def __enter__(self) -> Running:
        return self.up()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.down()

    def up(self, progress: Report = lambda _line: None) -> Running:
        """Build what is missing, start what does not run, and return when all of it is ready.

        Args:
            progress: Called with lines for people: what is built and for how long, which ports had to be others.

        Raises:
            StackError: if it is running already, a tool is missing, a build fails, or a server does not get ready.
                What this call started is stopped again.
        """
        with self._file.exclusive():
            state = self._file.load()
            alive = state.alive() if state else {}
            everything = recipes()
            if state and len(alive) == len(everything):
                raise StackError(
                    f"the stack in {self.data_dir} is running already: OTLP at {_running(state.ports).otlp_grpc}, "
                    f"Jaeger {_running(state.ports).jaeger}, Prometheus {_running(state.ports).prometheus}, "
                    f"Elasticsearch {_running(state.ports).elasticsearch}; `bento-observe stack down` stops it"
                )
            if missing := missing_tools(self.cache_dir):
                raise StackError("\n".join(["this machine cannot run the stack yet:", *(f"  {m}" for m in missing)]))
            _build.build(self.cache_dir, everything, progress)

            if not (state and alive):
                # The processes of an earlier boot, if any, are gone; their ports may be somebody else's.
                state = State(choose_ports(self._ports))
            _tell_moved(state.ports, self._ports, progress)
            prepare(self.data_dir)
            self._start([s for s in self._servers(state.ports) if s.name not in alive], state, progress)
            return _running(state.ports)

    def down(self, progress: Report = lambda _line: None) -> bool:
        """Stop what was started here and nothing else; the data stays. False if nothing ran.

        The Collector goes first, so that the others are there for what it still has to deliver.

        Raises:
            StackError: if another `up` or `down` is at work on the same directory.
        """
        if not self.data_dir.is_dir():  # the lock would make it
            return False
        with self._file.exclusive():
            state = self._file.load()
            alive = state.alive() if state else {}
            collector = alive.pop(COLLECTOR, None)
            for group in ({COLLECTOR: collector} if collector else {}, alive):
                stop(list(group.values()), _STOP_TIMEOUT_S)
                for name in group:
                    progress(f"{name}: stopped")
            self._file.clear()
            return bool(collector or alive)

    def running(self) -> Running | None:
        """Where the running stack is; None unless all its servers run, so `stack.running() or stack.up()` is one."""
        state = self._file.load()
        return _running(state.ports) if state and len(state.alive()) == len(recipes()) else None

    def address(self, name: str) -> str | None:
        """The URL of one server, whether the others run or not; None where it does not run."""
        state = self._file.load()
        if state is None or name not in state.alive():
            return None
        return next(server.url for server in self._servers(state.ports) if server.name == name)

    def status(self) -> list[ServerStatus]:
        """All servers as they are now; empty if none runs."""
        state = self._file.load()
        if state is None or not state.alive():
            return []
        return [_status(server, state.servers.get(server.name)) for server in self._servers(state.ports)]

    def log(self, name: str) -> Path:
        """The log file of a server."""
        return self.data_dir / "logs" / f"{name}.log"

    def crash(self, name: str) -> None:
        """End one server with SIGKILL, for trying out outages; `up` starts it again where it was.

        Raises:
            StackError: if it does not run.
        """
        state = self._file.load()
        if state is None or name not in state.alive():
            raise StackError(f"{name} does not run")
        state.servers[name].kill()

    def _servers(self, ports: Ports) -> list[Server]:
        builds = {recipe.name: _build.artifact(self.cache_dir, recipe) for recipe in recipes()}
        jdk = _tools.jdk()
        java_home = Path() if isinstance(jdk, MissingTool) else jdk.path
        return servers(builds, collector_dir(), self.data_dir, ports, java_home)

    def _start(self, wanted: Sequence[Server], state: State, progress: Report) -> None:
        began = time.monotonic()
        try:
            # All at once but the Collector: what it accepts needs the templates in Elasticsearch.
            backends = [server for server in wanted if server.name != COLLECTOR]
            for server in backends:
                self._spawn(server, state)
            self._await_ready(backends, state)
            for server in backends:
                if server.name == ELASTICSEARCH:
                    install_templates(server.url, collector_dir() / "elasticsearch" / "templates")
                    _retention.prune_at_start(server.url, progress)
            for server in wanted:
                if server.name == COLLECTOR:
                    self._spawn(server, state)
                    self._await_ready([server], state)
        except BaseException:
            # None of them ran before.
            stop([state.servers[server.name] for server in wanted if server.name in state.servers], _STOP_TIMEOUT_S)
            if not state.alive():
                self._file.clear()
            raise
        progress(f"ready in {time.monotonic() - began:.1f} s")

    def _spawn(self, server: Server, state: State) -> None:
        with signals_held():  # there is no moment in which a server runs that `down` does not know
            state.servers[server.name] = spawn(server.argv, server.env, self.data_dir, self.log(server.name))
            self._file.save(state)

    def _await_ready(self, waiting: Sequence[Server], state: State) -> None:
        deadline = time.monotonic() + _READY_TIMEOUT_S
        remaining = list(waiting)
        while remaining:
            for server in remaining:
                if not state.servers[server.name].alive():
                    raise StackError(self._failure(server, "ended right after its start"))
                if time.monotonic() > deadline:
                    raise StackError(self._failure(server, f"is not ready after {_READY_TIMEOUT_S:.0f} s"))
            remaining = [server for server in remaining if not server.healthy()]
            if remaining:
                time.sleep(_POLL_S)

    def _failure(self, server: Server, what: str) -> str:
        log = self.log(server.name)
        return "\n".join([f"{server.name} {what}; the end of {log}:", *(f"  {line}" for line in last_lines(log))])


def _running(ports: Ports) -> Running:
    return Running(
        otlp_grpc=f"http://{LOOPBACK}:{ports.otlp_grpc}",
        otlp_http=f"http://{LOOPBACK}:{ports.otlp_http}",
        jaeger=f"http://{LOOPBACK}:{ports.jaeger}",
        prometheus=f"http://{LOOPBACK}:{ports.prometheus}",
        elasticsearch=f"http://{LOOPBACK}:{ports.elasticsearch}",
    )


def _tell_moved(ports: Ports, choice: PortChoice, progress: Report) -> None:
    if choice == "default":
        for name, (default, actual) in ports.moved().items():
            progress(f"port {default} is taken: {name} is at {actual} instead")


def _status(server: Server, handle: Handle | None) -> ServerStatus:
    alive = handle is not None and handle.alive()
    if handle is None or not alive:
        return ServerStatus(server.name, "", False, server.url, 0, 0)
    try:
        version = server.ask_version()
    except (OSError, StackError):
        version = ""
    return ServerStatus(server.name, version, server.healthy(), server.url, handle.pid, handle.rss())
