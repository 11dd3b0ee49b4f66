"""The files that say what is installed agree with each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """The `[project]` table."""
    tomllib = pytest.importorskip("tomllib")
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def _locked() -> list[Requirement]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_the_bento_is_built_with_what_the_package_and_the_example_need(project: dict[str, Any]) -> None:
    """The plugin goes into the bento as source, so its dependencies are listed again in bentofile.yaml."""
    bentofile = yaml.safe_load((ROOT / "bentofile.yaml").read_text(encoding="utf-8"))
    needed = [*project["dependencies"], *project["optional-dependencies"]["example"]]
    assert sorted(bentofile["python"]["packages"]) == sorted(needed)


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_every_direct_dependency_is_locked_to_one_version_that_satisfies_it(
    project: dict[str, Any], python: str
) -> None:
    """For each Python: exactly one line applies, and its version is within the bounds."""
    environment = {"python_version": python, "python_full_version": f"{python}.1"}
    locked: dict[str, list[Requirement]] = {}
    for requirement in _locked():
        if requirement.marker is None or requirement.marker.evaluate(environment):
            locked.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    for requirement in map(Requirement, wanted):
        if requirement.marker is not None and not requirement.marker.evaluate(environment):
            continue
        (found,) = locked[canonicalize_name(requirement.name)]
        (pin,) = found.specifier
        assert pin.operator == "=="
        assert requirement.specifier.contains(pin.version, prereleases=True), f"{found} is not {requirement}"


def test_the_lock_names_no_index_and_no_file() -> None:
    """Where packages come from is for whoever installs them to say."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"^\s*-|://|@ ", text, re.MULTILINE)
