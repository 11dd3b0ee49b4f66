"""The tools that build and run the servers: what is there, what is missing, how to get it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bento_observe.stack._assets import collector_dir

GO_NEEDED = (1, 26, 7)  # the `go` line of Prometheus' go.mod, the newest of the three
JDK_NEEDED = (21,)  # Elasticsearch 9

_GO_HOME = "/usr/local/go"
_JDK_HOMES = (
    "/usr/lib/jvm/*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home",
)

Version = tuple[int, ...]


@dataclass(frozen=True)
class MissingTool:
    """A tool that is needed and is not there, or is too old."""

    name: str
    needed: str
    found: str | None
    remedy: str

    def __str__(self) -> str:
        found = f"found {self.found}" if self.found else "not found"
        return f"{self.name} {self.needed}: {found}; {self.remedy}"


@dataclass(frozen=True)
class Tool:
    """An executable, or for a JDK its home, with its version."""

    path: Path
    version: Version


def go() -> Tool | MissingTool:
    """The Go toolchain on PATH, or where its installer puts it."""
    path = shutil.which("go") or shutil.which(f"{_GO_HOME}/bin/go")
    version = _version(_output([path, "env", "GOVERSION"])) if path else ()
    if path and version >= GO_NEEDED:
        return Tool(Path(path), version)
    return MissingTool(
        "Go", f">= {_dotted(GO_NEEDED)}", _dotted(version) or None, "get it from https://go.dev/dl/ and put it on PATH"
    )


def maven() -> Tool | MissingTool:
    """Maven on PATH; any version from 3.6 does."""
    path = shutil.which("mvn")
    if path:
        return Tool(Path(path), ())
    return MissingTool("Maven", ">= 3.6", None, "apt install maven, dnf install maven or brew install maven")


def jdk() -> Tool | MissingTool:
    """A JDK that is new enough: JAVA_HOME, the one on PATH, then the usual places, newest first."""
    found = list(_jdks())
    for tool in found:
        if tool.version >= JDK_NEEDED:
            return tool
    newest = max((tool.version for tool in found), default=())
    return MissingTool(
        "JDK",
        f">= {_dotted(JDK_NEEDED)}",
        _dotted(newest) or None,
        "apt install openjdk-21-jdk, brew install openjdk, or https://adoptium.net; JAVA_HOME chooses one",
    )


def compose_command() -> str | None:
    """The command, for a shell, that starts the stack in containers; None where no engine with compose answers."""
    docker = shutil.which("docker")
    if docker is None or not (_succeeds([docker, "info"]) and _succeeds([docker, "compose", "version"])):
        return None
    file = shlex.quote(str(collector_dir() / "docker-compose.yaml"))
    return f"bento-observe stack env && docker compose -f {file} up -d"


def _jdks() -> Iterator[Tool]:
    homes = []
    if os.environ.get("JAVA_HOME"):
        homes.append(Path(os.environ["JAVA_HOME"]))
    if javac := shutil.which("javac"):
        homes.append(Path(javac).resolve().parents[1])
    chosen = [tool for home in homes if (tool := _jdk_at(home))]
    usual = [tool for pattern in _JDK_HOMES for home in Path("/").glob(pattern[1:]) if (tool := _jdk_at(home))]
    yield from chosen
    yield from sorted(usual, key=lambda tool: tool.version, reverse=True)


def _jdk_at(home: Path) -> Tool | None:
    if not (home / "bin" / "javac").is_file():
        return None
    try:
        release = (home / "release").read_text(encoding="utf-8")
    except OSError:
        return None
    match = re.search(r'^JAVA_VERSION="([^"]+)"', release, re.MULTILINE)
    return Tool(home, _version(match[1])) if match else None


def _version(text: str) -> Version:
    match = re.search(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))


def _output(argv: list[str]) -> str:
    # From the root directory: a go.mod or go.work around the caller could ask for another toolchain.
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/").stdout  # noqa: S603


def _succeeds(argv: list[str]) -> bool:
    try:
        return subprocess.run(argv, capture_output=True, check=False, timeout=10).returncode == 0  # noqa: S603
    except subprocess.TimeoutExpired:
        return False
