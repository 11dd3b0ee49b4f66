"""Puts our templates into Elasticsearch; without them the Collector's documents would be refused, and lost."""

from __future__ import annotations

import json
from pathlib import Path

from bento_observe.stack import _http
from bento_observe.stack._errors import StackError


def install_templates(url: str, directory: Path) -> None:
    """Install `component/*.json`, then `index/*.json`; each file's name is the template's.

    Raises:
        StackError: if Elasticsearch does not take one.
    """
    for kind in ("component", "index"):
        for file in sorted((directory / kind).glob("*.json")):
            template = json.loads(file.read_text(encoding="utf-8"))
            try:
                _http.send_json("PUT", f"{url}/_{kind}_template/{file.stem}", template)
            except OSError as error:
                raise StackError(f"Elasticsearch does not take the template {file.name}: {error}") from error
