"""What several unit tests share: both ways in which numbers are counted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from unittest import mock

import pytest

from bento_observe.features import _compiled

_BUILT = _compiled.KERNEL


@pytest.fixture(scope="module", params=["compiled", "numpy"])
def kernel(request: pytest.FixtureRequest) -> Iterator[str]:
    """Runs a module's tests twice: with the compiled kernel, which CI must have built, and without."""
    if request.param == "compiled" and _BUILT is None:
        if "CI" in os.environ:
            pytest.fail("the kernel was not built: a C compiler or Python's headers are missing")
        pytest.skip("the kernel was not built")
    with mock.patch.object(_compiled, "KERNEL", _BUILT if request.param == "compiled" else None):
        yield request.param
