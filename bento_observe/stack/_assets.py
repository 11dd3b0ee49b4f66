"""Where the configuration of the servers is."""

from __future__ import annotations

from pathlib import Path

from bento_observe.stack._errors import StackError

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = _PACKAGE / "_collector"


def collector_dir() -> Path:
    """The folder `collector/`: inside the package when installed from a wheel, beside it in a checkout.

    Raises:
        StackError: if there is neither.
    """
    for candidate in (_INSTALLED, _PACKAGE.parent / "collector"):
        if (candidate / "config.yaml").is_file():
            return candidate
    raise StackError(
        "the folder collector/ with the servers' configuration is neither in the installed package nor beside it; "
        "use a checkout of the project: pip install -e ."
    )


def is_installed(directory: Path) -> bool:
    """Whether `collector_dir()` is part of an installed package."""
    return directory == _INSTALLED
