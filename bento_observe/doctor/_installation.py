"""Python, the distributions and their versions, the extras, and what of BentoML's insides is used."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from typing import Final

from packaging.requirements import Requirement

from bento_observe._version import __version__
from bento_observe.doctor._finding import Finding, ok, problem, warning

__all__ = ["check_installation"]

_DISTRIBUTION: Final = "bento-observe"
_OLDEST, _NEWEST = (3, 10), (3, 13)
_BENTOML: Final = "bentoml>=1.4.37,<1.5"

_EXTRAS: Final = {
    "dev": ("duckdb", "bento-observe dev, an OTLP receiver on this machine"),
    "parquet": ("pyarrow", "bento-observe profile of Parquet files"),
}

_EVERYTHING: Final = "everything: services are served unobserved"
# module:attributes, and what is lost without; beyond those that an observed service rests on
_MORE_SEAMS: Final = {
    "_bentoml_sdk.service:get_current_service": "what bentoml.monitor logged last in unobserved services",
    "_bentoml_impl.client.proxy2:SessionManager._make_client": "bento-observe run: dependencies' calls",
    "_bentoml_impl.loader:load": "bento-observe run: client libraries",
    "bentoml._internal.monitoring.base:MonitorBase": "bentoml.monitor",
    "bentoml._internal.monitoring.base:MON_DATAS_VAR": "bentoml.monitor",
}


def check_installation() -> Iterator[Finding]:
    """All of it."""
    yield _python()
    yield from _pins()
    yield from _seams()
    yield from _extras()


def _python() -> Finding:
    found = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    if sys.version_info < _OLDEST:
        return problem("Python", f"{found} is older than 3.10", "use a newer one")
    if sys.version_info[:2] > _NEWEST:
        return warning("Python", f"{found} is newer than what this release was tested with", "3.13 is the newest")
    return ok("Python", found)


def _pins() -> Iterator[Finding]:
    try:
        requirements = importlib.metadata.requires(_DISTRIBUTION) or [_BENTOML]
        yield ok("bento-observe", __version__)
    except importlib.metadata.PackageNotFoundError:
        requirements = [_BENTOML]
        yield warning(
            "bento-observe",
            f"{__version__} is not installed as a distribution, so that its requirements are not known",
            "pip install bento-observe, or list what it needs as its pyproject.toml does",
        )
    fitting = 0
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        found = _version(requirement.name)
        wanted = f"{requirement.name}{requirement.specifier}"
        if found is None:
            yield problem(requirement.name, "is not installed", f"pip install '{wanted}'")
        elif not requirement.specifier.contains(found, prereleases=True):
            yield problem(requirement.name, f"{found} is not {requirement.specifier}", f"pip install '{wanted}'")
        else:
            fitting += 1
            if requirement.name == "bentoml":
                yield ok("BentoML", found)
    yield ok("dependencies", f"{fitting} are of versions that fit")


def _seams() -> Iterator[Finding]:
    try:
        from bento_observe._seams import SEAMS, Seam, fault

        # Parts of a service's configuration are there once it is served.
        seams = [seam for seam in SEAMS if not seam.setting]
        seams += [Seam(where, lost=lost) for where, lost in _MORE_SEAMS.items()]
        missing = [(seam, found) for seam in seams if (found := fault(seam))]
    except Exception as error:  # noqa: BLE001 - BentoML reads its configuration when it is imported
        reason = " ".join(str(error).split()) or type(error).__name__
        yield problem("BentoML", f"cannot be imported: {reason}", "see BENTOML_CONFIG, or install it anew")
        return
    for seam, found in missing:
        remedy = f"lost is {seam.lost or _EVERYTHING}; pip install '{_BENTOML}'"
        yield problem("BentoML's insides", f"{seam.place} {found}", remedy)
    if not missing:
        yield ok("BentoML's insides", f"all {len(seams)} parts that are used are there")


def _extras() -> Iterator[Finding]:
    for extra, (distribution, use) in _EXTRAS.items():
        found = _version(distribution)
        if found is None:
            yield ok(f"extra {extra}", f"not installed; pip install 'bento-observe[{extra}]' for {use}")
        else:
            yield ok(f"extra {extra}", f"{distribution} {found}")
    clients = sorted({one.name for one in importlib.metadata.entry_points(group="opentelemetry_instrumentor")})
    yield ok("instrumentations", ", ".join(clients) or "none installed")


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
