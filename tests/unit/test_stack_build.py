"""The cache of built servers, with builds that are small shell scripts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from bento_observe.stack import StackError
from bento_observe.stack._build import artifact, build, not_built
from bento_observe.stack._job import Job
from bento_observe.stack._recipes import GoRecipe, content_key, recipes, tool_recipes
from bento_observe.stack._tools import MissingTool, Tool


@dataclass(frozen=True)
class ShellRecipe:
    """Builds whatever `script` leaves in the target directory, which it gets as $TARGET."""

    script: str
    name: str = "thing"
    version: str = "1.0"
    expected_seconds: float = 1
    tools: Sequence[Callable[[], Tool | MissingTool]] = ()

    def ingredients(self) -> bytes:
        return self.name.encode()

    def build(self, target: Path, job: Job) -> None:
        job.run(["sh", "-c", self.script], cwd=target, env={**os.environ, "TARGET": str(target)})


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"not within 20 s: {what}"
        time.sleep(0.02)


def _quiet(_line: str) -> None:
    pass


def _run_build(script: str, cache: Path) -> subprocess.Popen[str]:
    """The same build in a process of its own, which can be interrupted."""
    code = (
        "import signal, sys; from pathlib import Path; from test_stack_build import ShellRecipe, build\n"
        # A shell starts what is in its background deaf to Ctrl-C, and these tests with it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "build(Path(sys.argv[2]), [ShellRecipe(sys.argv[1])], print)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, script, str(cache)],
        cwd=Path(__file__).parent, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_build_is_done_once_and_then_found(tmp_path: Path) -> None:
    """The second call finds the artifact of the first and runs nothing."""
    recipe = ShellRecipe(f"echo built >> {tmp_path}/runs; echo content > $TARGET/program")
    cache = tmp_path / "cache"
    assert not_built(cache, [recipe]) == [recipe]
    build(cache, [recipe], _quiet)
    build(cache, [recipe], _quiet)
    assert (artifact(cache, recipe) / "program").read_text() == "content\n"
    assert (tmp_path / "runs").read_text() == "built\n"


def test_an_interrupted_build_leaves_no_artifact_and_no_process(tmp_path: Path) -> None:
    """After Ctrl-C in the middle nothing passes for a finished build, and the commands of the build have ended."""
    cache, pid_file = tmp_path / "cache", tmp_path / "pid"
    script = f"echo half > $TARGET/program; echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; sleep 600"
    process = _run_build(script, cache)
    _wait_until(pid_file.exists, "the build has begun")
    builder = psutil.Process(int(pid_file.read_text()))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode != 0
    _wait_until(lambda: not builder.is_running(), "the build's command has ended")
    recipe = ShellRecipe("echo whole > $TARGET/program")
    assert [file.name for file in (cache / recipe.name).iterdir()] == ["lock"]

    build(cache, [recipe], _quiet)
    assert (artifact(cache, recipe) / "program").read_text() == "whole\n"


def test_what_a_killed_build_left_is_thrown_away(tmp_path: Path) -> None:
    """A build killed without a chance to clean up neither blocks nor soils the next one."""
    cache = tmp_path / "cache"
    process = _run_build("touch $TARGET/rubbish; kill -9 $PPID", cache)
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGKILL
    recipe = ShellRecipe("echo whole > $TARGET/program")
    build(cache, [recipe], _quiet)
    assert [file.name for file in artifact(cache, recipe).iterdir()] == ["program"]


def test_the_two_newest_builds_are_kept_and_what_runs(tmp_path: Path) -> None:
    """The cache does not grow with every version, and nothing is taken from under a running server."""
    recipe = ShellRecipe("echo 'while read -r _; do :; done' > $TARGET/program")
    made = [replace(recipe, version=f"{number}.0") for number in range(5)]
    build(tmp_path, made[:1], _quiet)
    program = artifact(tmp_path, made[0]) / "program"
    with subprocess.Popen(["sh", str(program)], stdin=subprocess.PIPE) as running:
        for each in made[1:]:
            build(tmp_path, [each], _quiet)
        assert not_built(tmp_path, made) == [made[1], made[2]]
        assert running.poll() is None
    build(tmp_path, [replace(recipe, version="5.0")], _quiet)
    assert not_built(tmp_path, made) == made[:4]


def test_a_failed_build_shows_its_last_lines_and_stops_the_other(tmp_path: Path) -> None:
    """The error carries the command's own words; the build beside it does not go on in the background."""
    started = tmp_path / "started"
    slow = ShellRecipe(f"touch {started}; sleep 600", name="slow")
    failing = ShellRecipe(
        f"while [ ! -e {started} ]; do sleep 0.05; done; echo no space left on device >&2; exit 1", name="failing"
    )
    with pytest.raises(StackError, match=r"building failing failed.*\n.*no space left on device"):
        build(tmp_path / "cache", [slow, failing], _quiet)
    assert not_built(tmp_path / "cache", [slow, failing]) == [slow, failing]


def test_two_programs_at_once_build_once(tmp_path: Path) -> None:
    """Whoever comes second waits for the first and takes its artifact."""
    recipe = ShellRecipe(f"echo built >> {tmp_path}/runs; sleep 0.3")
    threads = [threading.Thread(target=build, args=(tmp_path / "cache", [recipe], _quiet)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (tmp_path / "runs").read_text() == "built\n"


def test_the_key_follows_the_source_and_not_its_place(tmp_path: Path) -> None:
    """The same module elsewhere is the same build; another line of code is another build."""
    collector = next(r for r in recipes() if isinstance(r, GoRecipe) and not r.module)
    copy = tmp_path / "copy"
    shutil.copytree(collector.directory, copy)
    moved = GoRecipe(collector.name, collector.version, 1, directory=copy)
    assert content_key(moved) == content_key(collector)
    with (copy / "go.mod").open("a") as module:
        module.write("// changed\n")
    assert content_key(moved) != content_key(collector)


def test_every_server_has_a_key_of_its_own() -> None:
    """No two programs can be taken for one another."""
    keys = [content_key(recipe) for recipe in (*recipes(), *tool_recipes())]
    assert len(set(keys)) == len(keys) == 7


def test_a_page_that_a_module_lacks_is_part_of_its_key() -> None:
    """A recipe without one has the key that it had before there were any."""
    jaeger = next(r for r in recipes() if isinstance(r, GoRecipe) and r.name == "jaeger")
    assert content_key(replace(jaeger, stubs=())) == content_key(jaeger)
    assert content_key(replace(jaeger, stubs=("ui/index.html",))) != content_key(jaeger)
