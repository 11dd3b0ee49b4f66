"""The package in other environments than the one it is made in: `make matrix`, or `python tests/matrix/matrix.py NAME`.

Each combination of a Python and of versions has an environment under .cache/matrix/, made by uv and kept. The package
is built and installed into it as users get it, from a copy of the source, and tested from outside the repository. A
combination whose Python is not on this machine is left out, and that is said.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "matrix"
UV = str(Path(sys.executable).with_name("uv"))
EXTRAS = ("parquet", "test")
# Linters and stubs of the extra `test`, which no test imports.
NOT_TESTED = re.compile(r"^(ruff|mypy|types-.*|.*-stubs)\b")

UNIT = ("tests/unit/test_contract_bentoml*.py", "tests/unit/test_core_*.py", "tests/unit/test_features_*.py")
SERVED = tuple(
    f"tests/service/test_service_{name}.py"
    for name in ("semantics", "same_answers", "batches", "dependencies", "streams")
)
# `make service` runs these, and those of a BentoML whose private parts moved, with the versions that are locked: what
# the newest environment has, but for a BentoML that came after the lock, of which the contract tests tell.
SERVED_OF_OLD = tuple(f"tests/service/test_service_{name}.py" for name in ("nothing_lost", "mounts", "tasks"))


@dataclass(frozen=True)
class Combination:
    """`lowest`: every dependency of ours at its lower bound in pyproject.toml; else BentoML at the newest that can be
    had, and the rest as in requirements.lock. `compiler`: whether the kernel may be compiled. `examples`: which part
    of their examples properties are tried with."""

    name: str
    python: str
    tests: Sequence[str]
    lowest: bool = False
    compiler: bool = True
    examples: float = 1.0


COMBINATIONS = (
    Combination("oldest", "3.10", UNIT + SERVED + SERVED_OF_OLD, lowest=True),
    Combination("newest", "3.12", UNIT + SERVED, examples=0.2),
    Combination("no-compiler", "3.13", (*UNIT, SERVED[0]), compiler=False, examples=0.2),
)

# What is installed, as the environment itself sees it, from a folder that is not the repository.
LOOK = """
import importlib.metadata, json, pathlib, sysconfig
import bento_observe
from bento_observe.features import _compiled
print(json.dumps({
    "bentoml": importlib.metadata.version("bentoml"),
    "opentelemetry": importlib.metadata.version("opentelemetry-sdk"),
    "numpy": importlib.metadata.version("numpy"),
    "installed": pathlib.Path(bento_observe.__file__).is_relative_to(sysconfig.get_path("purelib")),
    "kernel": "numpy" if _compiled.KERNEL is None else "compiled",
    "headers": pathlib.Path(sysconfig.get_path("include"), "Python.h").exists(),
}))
"""


class MatrixError(Exception):
    """A combination is not what it has to be, or a command for it failed."""


def main(wanted: Sequence[str]) -> int:
    """Run the combinations with these names, else all; how many failed."""
    unknown = set(wanted) - {combination.name for combination in COMBINATIONS}
    if unknown:
        say(f"no combination {', '.join(sorted(unknown))}; there are {', '.join(one.name for one in COMBINATIONS)}")
        return 2
    results = {
        combination.name: run(combination) for combination in COMBINATIONS if not wanted or combination.name in wanted
    }
    say("; ".join(f"{name}: {result}" for name, result in results.items()))
    return sum(result == "FAILED" for result in results.values())


def run(combination: Combination) -> str:
    """What became of a combination, in a word or two."""
    began = time.monotonic()
    interpreter = find_python(combination.python)
    if interpreter is None:
        say(f"{combination.name}: SKIPPED, there is no Python {combination.python} on this machine")
        return f"skipped (no Python {combination.python})"
    say(f"{combination.name}: {interpreter}")
    try:
        python = make_environment(combination, interpreter)
        check(combination, python)
        test(combination, python)
    except MatrixError as error:
        say(f"{combination.name}: FAILED: {error}")
        return "FAILED"
    took = f"passed in {time.monotonic() - began:.0f} s"
    say(f"{combination.name}: {took}")
    return took


def find_python(version: str) -> str | None:
    """Of uv's own, on PATH, or of pyenv, whose commands on PATH need not work."""
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for candidate in (version, *(str(path) for path in sorted(home.glob(f"versions/{version}.*/bin/python")))):
        command = [UV, "python", "find", "--no-python-downloads", "--no-project", "--system", candidate]
        found = subprocess.run(command, capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.strip()
    return None


def make_environment(combination: Combination, interpreter: str) -> Path:
    """The combination's environment with what it has to have, and the package as it is now; its interpreter."""
    home = CACHE / combination.name
    python = home / "venv" / "bin" / "python"
    home.mkdir(parents=True, exist_ok=True)
    if not python.exists() or output([str(python), "-c", "import sys; print(sys.version)"]) != output(
        [interpreter, "-c", "import sys; print(sys.version)"]
    ):
        command([UV, "venv", "--quiet", "--clear", "--python", interpreter, str(home / "venv")])
    requirements = resolve(combination, home, python)
    command([UV, "pip", "sync", "--quiet", "--python", str(python), str(requirements)])
    with tempfile.TemporaryDirectory(dir=home) as source:
        copy_source(Path(source))
        environment = os.environ if combination.compiler else {**os.environ, "CC": "false"}
        install = [UV, "pip", "install", "--quiet", "--python", str(python), "--no-deps", "--reinstall", source]
        command(install, environment)
    return python


def resolve(combination: Combination, home: Path, python: Path) -> Path:
    """The versions to install. Where the package index cannot be asked, those of the last time."""
    requirements, asked = home / "requirements.txt", home / "requirements.asked"
    ask = [UV, "pip", "compile", "--quiet", "--python", str(python), "--no-header", "--no-annotate"]
    ask += ["--no-emit-index-url", *(f"--extra={extra}" for extra in EXTRAS), "pyproject.toml", "-o", str(asked)]
    asked.unlink(missing_ok=True)
    if combination.lowest:
        ask += ["--resolution", "lowest-direct"]
    else:
        shutil.copy(ROOT / "requirements.lock", asked)  # preferred, where the newest BentoML agrees
        ask += ["--upgrade-package", "bentoml", "--upgrade-package", "certifi"]
    try:
        command(ask)
    except MatrixError as error:
        if not requirements.exists():
            raise
        say(f"{combination.name}: versions as of the last time, for now they cannot be resolved: {error}")
        return requirements
    kept = [line for line in asked.read_text().splitlines() if not NOT_TESTED.match(line)]
    requirements.write_text("\n".join(kept) + "\n")
    return requirements


def copy_source(target: Path) -> None:
    """What a build needs, without what earlier builds left behind."""
    for name in ("bento_observe", "collector"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, target)


def check(combination: Combination, python: Path) -> None:
    """That the environment is what it is for."""
    found = json.loads(output([str(python), "-c", LOOK]))
    compiles = combination.compiler and found["headers"] and any(map(shutil.which, ("cc", "gcc", "clang")))
    kernel = "compiled" if compiles else "numpy"
    say(
        f"{combination.name}: BentoML {found['bentoml']}, OpenTelemetry {found['opentelemetry']}, "
        f"numpy {found['numpy']}, kernel {found['kernel']}"
        + ("" if compiles else f" ({'no C compiler or headers' if combination.compiler else 'no C compiler wanted'})")
    )
    if not found["installed"]:
        raise MatrixError("the tests would run against the repository and not against what is installed")
    if found["kernel"] != kernel:
        raise MatrixError(f"the kernel is {found['kernel']}, not {kernel}")
    if combination.lowest and found["bentoml"] != lowest_bentoml():
        raise MatrixError(f"BentoML is {found['bentoml']}, not {lowest_bentoml()}, the lower bound in pyproject.toml")


def lowest_bentoml() -> str:
    bound = re.search(r'"bentoml>=([\d.]+)', (ROOT / "pyproject.toml").read_text())
    assert bound is not None
    return bound[1]


def test(combination: Combination, python: Path) -> None:
    """The chosen tests, with the repository neither the working directory nor on the path."""
    files = [str(path) for pattern in combination.tests for path in sorted(ROOT.glob(pattern))]
    environment = {**os.environ, "BENTOML_DO_NOT_TRACK": "True", "TEST_EXAMPLES": str(combination.examples)}
    environment.pop("PYTHONPATH", None)
    if not combination.compiler:
        environment.pop("CI", None)  # where the compiled kernel has to be there
    run_tests = [str(python), "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), "-q"]
    run_tests += ["-r", "fE", "--durations", "5", "-W", "ignore", "-p", "no:cacheprovider"]
    run_tests += ["-n", "logical", "--dist", "loadfile", *files]
    if subprocess.run(run_tests, cwd=CACHE / combination.name, env=environment).returncode:
        raise MatrixError("tests failed")


def command(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> None:
    ended = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True)
    if ended.returncode:
        raise MatrixError(f"{' '.join(arguments[:4])} …: {ended.stderr.strip()}")


def output(arguments: Sequence[str]) -> str:
    ended = subprocess.run(arguments, cwd=CACHE, env=_without_path(), capture_output=True, text=True)
    if ended.returncode:
        raise MatrixError(f"{arguments[0]}: {ended.stderr.strip()}")
    return ended.stdout


def _without_path() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def say(line: str) -> None:
    print(f"matrix: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
