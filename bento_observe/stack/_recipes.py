"""How each server is built: what it is made from, and with which commands."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bento_observe.stack import _tools
from bento_observe.stack._assets import collector_dir
from bento_observe.stack._errors import StackError
from bento_observe.stack._job import Job
from bento_observe.stack._tools import MissingTool, Tool

COLLECTOR = "otelcol"
JAEGER = "jaeger"
PROMETHEUS = "prometheus"
ALERTMANAGER = "alertmanager"
ELASTICSEARCH = "elasticsearch"

PROMTOOL = "promtool"
AMTOOL = "amtool"

_JAEGER_MODULE = "v1.76.0"  # the tag under which Jaeger 2.13.0 is a Go module
_PROMETHEUS_MODULE = "v0.316.0"
_ALERTMANAGER_MODULE = "v0.34.2"

# An official tag: no cloud service discoveries, which are half of the dependencies.
_NO_DISCOVERIES = "remove_all_sd"

_STUB_PAGE = """\
<!doctype html><title>Alertmanager</title>
<p>Built without its pages; the API is at <a href="/api/v2/status">/api/v2</a>.
"""

# What the developer set for other programs, and what would make another program of the same content key. Where modules
# come from (GOPROXY and its like) stays the user's.
_GO_SHAPING = {"GOOS", "GOARCH", "GOAMD64", "GOARM64", "GOEXPERIMENT", "GOFLAGS"}


class Recipe(Protocol):
    """A server that can be built."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def expected_seconds(self) -> float:
        """Measured on two cores, nothing cached, beside the other builds."""

    @property
    def tools(self) -> Sequence[Callable[[], Tool | MissingTool]]:
        """What building it takes."""

    def ingredients(self) -> bytes:
        """Everything that decides what comes out: another content, another build."""

    def build(self, target: Path, job: Job) -> None:
        """Build into the empty directory `target`."""


def content_key(recipe: Recipe) -> str:
    """Names a build by what it is made from and for which machine; the same key is the same artifact."""
    machine = f"{recipe.name} {recipe.version} {platform.system()} {platform.machine()}\n"
    return hashlib.sha256(machine.encode() + recipe.ingredients()).hexdigest()[:16]


@dataclass(frozen=True)
class GoRecipe:
    """A Go program: a released module at a fixed version, or the module in `directory`.

    `stubs` are files that the module embeds and does not have: pages that are built elsewhere. A plain one is put in.
    """

    name: str
    version: str
    expected_seconds: float
    package: str = "."
    module: str = ""
    directory: Path = Path()
    tags: str = ""
    stamps: tuple[tuple[str, str], ...] = ()
    stubs: tuple[str, ...] = ()
    tools: Sequence[Callable[[], Tool | MissingTool]] = (_tools.go,)

    def ingredients(self) -> bytes:
        if self.module:
            stubs = repr((self.stubs, _STUB_PAGE)) if self.stubs else ""
            return f"{(self.module, self.package, self.tags, self.stamps)!r}{stubs}".encode()
        return _contents(sorted([*self.directory.glob("*.go"), self.directory / "go.mod", self.directory / "go.sum"]))

    def build(self, target: Path, job: Job) -> None:
        go = _require(_tools.go())
        env = {name: value for name, value in os.environ.items() if name not in _GO_SHAPING}
        env |= {"CGO_ENABLED": "0", "GOWORK": "off"}
        job.phase("downloading")
        source = self._released(target / "source", go, env, job) if self.module else self.directory
        # Without debug information, which -s drops in the end anyhow: an eighth less to compute.
        flags = ["-mod=readonly", "-trimpath", "-gcflags=all=-dwarf=false", f"-tags={self.tags}"]
        # Listing what is compiled also downloads it, and only it, not all that the module graph mentions.
        packages = job.run([go, "list", "-deps", *flags, self.package], cwd=source, env=env).split()
        job.phase("compiling", len(packages))
        stamps = "".join(f" -X {name}={value}" for name, value in self.stamps)
        job.run(
            [go, "build", "-v", *flags, f"-ldflags=-s -w{stamps}", "-o", target / self.name, self.package],
            cwd=source,
            env=env,
            on_line=job.step,
        )
        if self.module:
            shutil.rmtree(source)

    def _released(self, source: Path, go: Path, env: dict[str, str], job: Job) -> Path:
        # Built in a copy: `go install module@version` refuses modules with a replace, and only a main module's own
        # go.sum is used.
        answer = json.loads(job.run([go, "mod", "download", "-json", self.module], cwd=source.parent, env=env))
        shutil.copytree(answer["Dir"], source)
        for directory, _, files in os.walk(source):
            for path in (Path(directory), *(Path(directory, file) for file in files)):
                path.chmod(path.stat().st_mode | 0o200)
        for stub in self.stubs:
            page = source / stub
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(_STUB_PAGE, encoding="utf-8")
        return source


@dataclass(frozen=True)
class ElasticsearchRecipe:
    """Elasticsearch from its published jars, our launcher, and a module for `GET /`."""

    directory: Path
    name: str = ELASTICSEARCH
    version: str = "9.5.3"
    expected_seconds: float = 12
    tools: Sequence[Callable[[], Tool | MissingTool]] = (_tools.jdk, _tools.maven)

    def ingredients(self) -> bytes:
        return _contents(sorted([*self.directory.glob("*.java"), self.directory / "pom.xml"]))

    def build(self, target: Path, job: Job) -> None:
        java_home, maven = _require(_tools.jdk()), _require(_tools.maven())
        env = {**os.environ, "JAVA_HOME": str(java_home)}
        lib, netty = target / "lib", target / "modules" / "transport-netty4"
        root, classes = target / "modules" / "bento-observe-root", target / "classes"
        for directory in (lib, netty, root, classes):
            directory.mkdir(parents=True)

        job.phase("downloading")
        job.run(
            [maven, "-B", "-q", "-f", self.directory / "pom.xml", "dependency:copy-dependencies",
             "-DincludeScope=runtime", f"-DoutputDirectory={lib}"],
            cwd=target, env=env,
        )  # fmt: skip
        # Modules have a class loader of their own and must not be on the server's module path.
        for published in [*lib.glob("netty-*.jar"), *lib.glob("transport-netty4-*.jar")]:
            published.rename(netty / published.name)
        (transport,) = netty.glob("transport-netty4-*.jar")
        descriptor = Path("META-INF", "es-plugins", "transport-netty4")
        jar = java_home / "bin" / "jar"
        job.run([jar, "xf", transport, descriptor], cwd=target, env=env)
        for file in (target / descriptor).iterdir():
            file.rename(netty / file.name)
        shutil.rmtree(target / "META-INF")

        job.phase("compiling")
        sources = sorted(self.directory.glob("*.java"))
        job.run(
            [java_home / "bin" / "javac", "-nowarn", "--release", "21", "-d", classes,
             "--module-path", lib, "--add-modules", "ALL-MODULE-PATH", *sources],
            cwd=target, env=env,
        )  # fmt: skip
        # Two jars: a module's classes must not be on the class path as well ("jar hell").
        launcher = Path("bentoobserve", "Launcher.class")
        job.run([jar, "cf", target / "launcher.jar", "-C", classes, launcher], cwd=target, env=env)
        (classes / launcher).unlink()
        job.run([jar, "cf", root / "root.jar", "-C", classes, "."], cwd=target, env=env)
        (root / "plugin-descriptor.properties").write_text(
            "name=bento-observe-root\ndescription=GET /\nversion=1\nclassname=bentoobserve.RootModule\n"
            f"java.version=21\nelasticsearch.version={self.version}\n",
            encoding="utf-8",
        )
        shutil.rmtree(classes)


def recipes() -> tuple[Recipe, ...]:
    """All servers, the longest build first."""
    collector = collector_dir()
    jaeger_stamp = "github.com/jaegertracing/jaeger/internal/version."
    return (
        ElasticsearchRecipe(collector / "elasticsearch" / "launcher"),
        GoRecipe(
            JAEGER,
            "2.13.0",
            expected_seconds=310,
            package="./cmd/jaeger",
            module=f"github.com/jaegertracing/jaeger@{_JAEGER_MODULE}",
            stamps=(
                (f"{jaeger_stamp}latestVersion", "v2.13.0"),
                (f"{jaeger_stamp}commitSHA", f"module-{_JAEGER_MODULE}"),
                (f"{jaeger_stamp}date", "2025-12-03T00:00:00Z"),
            ),
        ),
        GoRecipe(COLLECTOR, "0.157.0", expected_seconds=175, directory=collector / "otelcol"),
        _of_prometheus(PROMETHEUS, 140),
        _of_alertmanager(ALERTMANAGER, 60),
    )


def tool_recipes() -> tuple[Recipe, ...]:
    """What checks configurations, and runs for nobody else: built when it is asked for."""
    return (_of_prometheus(PROMTOOL, 60), _of_alertmanager(AMTOOL, 15))


def _of_prometheus(name: str, expected_seconds: float) -> GoRecipe:
    return GoRecipe(
        name,
        "3.16.0",
        expected_seconds,
        package=f"./cmd/{name}",
        module=f"github.com/prometheus/prometheus@{_PROMETHEUS_MODULE}",
        tags=_NO_DISCOVERIES,
        stamps=_prometheus_stamps("3.16.0", _PROMETHEUS_MODULE),
    )


def _of_alertmanager(name: str, expected_seconds: float) -> GoRecipe:
    return GoRecipe(
        name,
        "0.34.2",
        expected_seconds,
        package=f"./cmd/{name}",
        module=f"github.com/prometheus/alertmanager@{_ALERTMANAGER_MODULE}",
        stamps=_prometheus_stamps("0.34.2", _ALERTMANAGER_MODULE),
        stubs=("ui/app/dist/index.html", "ui/mantine-ui/dist/index.html"),
    )


def _prometheus_stamps(version: str, module: str) -> tuple[tuple[str, str], ...]:
    prefix = "github.com/prometheus/common/version."
    return ((f"{prefix}Version", version), (f"{prefix}Revision", f"module-{module}"))


def _contents(files: Sequence[Path]) -> bytes:
    return b"".join(f"{file.name}\0".encode() + file.read_bytes() + b"\0" for file in files)


def _require(tool: Tool | MissingTool) -> Path:
    if isinstance(tool, MissingTool):
        raise StackError(str(tool))
    return tool.path
