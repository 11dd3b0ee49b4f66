"""A BentoML whose private parts have other names: what TEST_RENAMED says, such as `batch_infer=infer_batch`.

Python imports this at its start where its folder is on PYTHONPATH. The names are replaced in the source of BentoML's
modules as they are imported, so that BentoML agrees with itself, and with nobody who knows it by the old names.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

NAMES = dict(pair.split("=") for pair in os.environ.get("TEST_RENAMED", "").split(",") if pair)
WORDS = re.compile(rf"\b({'|'.join(map(re.escape, NAMES))})\b")


class Renaming(SourceFileLoader):
    """Loads a module with the names replaced in its source; one without any of them as always."""

    def get_code(self, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        source = self.get_data(path).decode()
        if WORDS.search(source) is None:
            return super().get_code(fullname)
        return compile(WORDS.sub(lambda found: NAMES[found[0]], source), path, "exec", dont_inherit=True)


class OtherBentoML(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in ("bentoml", "_bentoml_sdk", "_bentoml_impl"):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = Renaming(fullname, spec.loader.path)
        return spec


if NAMES:
    sys.meta_path.insert(0, OtherBentoML())
