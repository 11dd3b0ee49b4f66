"""Finding Go, a JDK and Maven, and saying what is missing."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from bento_observe.stack import MissingTool, _tools, compose_command, missing_tools
from bento_observe.stack._build import artifact
from bento_observe.stack._job import Job
from bento_observe.stack._recipes import GoRecipe, recipes


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty PATH and no JDK; the returned directory is the PATH."""
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(_tools, "_JDK_HOMES", (f"{tmp_path}/jvm/*",))
    monkeypatch.setattr(_tools, "_GO_HOME", str(tmp_path / "go"))
    return path


def _program(path: Path, output: str) -> None:
    path.write_text(f"#!/bin/sh\necho '{output}'\n", encoding="utf-8")
    path.chmod(0o755)


def _jdk(home: Path, version: str) -> Path:
    (home / "bin").mkdir(parents=True)
    _program(home / "bin" / "javac", "")
    (home / "release").write_text(f'IMPLEMENTOR="Test"\nJAVA_VERSION="{version}"\n', encoding="utf-8")
    return home


def test_a_bare_machine_is_told_all_three_tools_and_how_to_get_them(bare_machine: Path, tmp_path: Path) -> None:
    """Nothing installed and nothing built: Go, JDK and Maven are each named once with the needed version."""
    missing = missing_tools(tmp_path / "cache")
    assert sorted(tool.name for tool in missing) == ["Go", "JDK", "Maven"]
    for tool in missing:
        assert tool.found is None
        assert "not found; " in str(tool)
        assert "\n" not in str(tool)


def test_nothing_but_the_jdk_is_missing_once_all_is_built(bare_machine: Path, tmp_path: Path) -> None:
    """A full cache needs no compilers, but Elasticsearch still runs on Java."""
    cache = tmp_path / "cache"
    for recipe in recipes():
        artifact(cache, recipe).mkdir(parents=True)
    assert [tool.name for tool in missing_tools(cache)] == ["JDK"]
    _jdk(tmp_path / "jvm" / "jdk-25", "25.0.1")
    assert missing_tools(cache) == []


def test_an_old_go_is_named_with_its_version(bare_machine: Path) -> None:
    """A Go that cannot build the newest server is reported with what it is and what is needed."""
    _program(bare_machine / "go", "go1.20.14")
    answer = _tools.go()
    assert isinstance(answer, MissingTool)
    assert answer.found == "1.20.14"
    assert "1.26.7" in str(answer)


def test_a_new_go_is_accepted(bare_machine: Path) -> None:
    """Versions are compared as numbers: 1.100 is newer than 1.26.7."""
    _program(bare_machine / "go", "go1.100.0")
    assert _tools.go() == _tools.Tool(bare_machine / "go", (1, 100, 0))


def test_the_newest_installed_jdk_is_taken(bare_machine: Path, tmp_path: Path) -> None:
    """Among the installed JDKs the newest runs Elasticsearch; too old ones do not hide it."""
    _jdk(tmp_path / "jvm" / "jdk-17", "17.0.15")
    home = _jdk(tmp_path / "jvm" / "jdk-25", "25")
    _jdk(tmp_path / "jvm" / "jdk-21", "21.0.4")
    assert _tools.jdk() == _tools.Tool(home, (25,))


def test_java_home_chooses_the_jdk(bare_machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JAVA_HOME wins over a newer JDK elsewhere."""
    _jdk(tmp_path / "jvm" / "jdk-25", "25")
    home = _jdk(tmp_path / "own", "21.0.4")
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert _tools.jdk() == _tools.Tool(home, (21, 0, 4))


def test_a_jdk_too_old_for_elasticsearch_is_named_with_its_version(bare_machine: Path, tmp_path: Path) -> None:
    """With only Java 17 around, the message says that 17 was found and 21 is needed."""
    _jdk(tmp_path / "jvm" / "jdk-17", "17.0.15")
    answer = _tools.jdk()
    assert isinstance(answer, MissingTool)
    assert (answer.found, answer.needed) == ("17.0.15", ">= 21")


def test_compose_is_offered_only_where_an_engine_answers(bare_machine: Path) -> None:
    """Neither no docker at all nor a client without an engine leads to the offer; a running engine does."""
    assert compose_command() is None
    _program(bare_machine / "docker", "")
    command = compose_command()
    assert command is not None
    made, started = command.split(" && ")
    assert made == "bento-observe stack env"
    assert Path(started.split()[3]).is_file()
    (bare_machine / "docker").write_text("#!/bin/sh\nexit 1\n")
    assert compose_command() is None


def test_the_compose_command_can_be_pasted_into_a_shell(
    bare_machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout in a folder with a blank in its name is one argument."""
    _program(bare_machine / "docker", "")
    monkeypatch.setattr(_tools, "collector_dir", lambda: tmp_path / "my projects" / "collector")
    command = compose_command()
    assert command is not None
    assert shlex.split(command.split(" && ")[1])[3] == str(
        tmp_path / "my projects" / "collector" / "docker-compose.yaml"
    )


def test_a_build_follows_none_of_the_settings_for_other_go_programs(
    bare_machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cross-compiling is what somebody else wanted; where modules come from still holds."""
    seen = tmp_path / "seen"
    go = bare_machine / "go"
    go.write_text(f"#!/bin/sh\n[ $1 = env ] && echo go1.100.0 || export -p >> {seen}\n")
    go.chmod(0o755)
    for name, value in {"GOOS": "plan9", "GOARCH": "mips", "GOFLAGS": "-race", "GOPROXY": "off"}.items():
        monkeypatch.setenv(name, value)
    GoRecipe("thing", "1.0", 1, directory=tmp_path).build(tmp_path, Job("thing", 1, tmp_path / "log"))
    told = seen.read_text()
    assert "GOPROXY" in told
    assert not [name for name in ("GOOS", "GOARCH", "GOFLAGS") if name in told]
