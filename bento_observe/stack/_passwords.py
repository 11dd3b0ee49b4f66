"""The passwords of the servers that docker-compose.yaml starts: made once, on this machine, and in no other file."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Final
from urllib.parse import quote

from bento_observe.stack._assets import collector_dir
from bento_observe.stack._ports import LOOPBACK, is_free

_PASSWORDS: Final = {
    "GRAFANA_ADMIN_PASSWORD": "Grafana's user admin",
    "ELASTIC_PASSWORD": "Elasticsearch's and Kibana's user elastic, who may do everything",
    "KIBANA_SYSTEM_PASSWORD": "Kibana's own user in Elasticsearch",
    "COLLECTOR_PASSWORD": "the Collector's, who may write logs",
    "GRAFANA_PASSWORD": "Grafana's own, who may read logs",
    "KIBANA_ENCRYPTION_KEY": "what Kibana keeps secrets with",
}
_LINE: Final = re.compile(r"^\s*(?:export\s+)?(\w+)\s*=\s*(\S+)", re.MULTILINE)
_HEAD: Final = "# Passwords for docker-compose.yaml, made by `bento-observe stack env`. Not to be committed.\n"
_PORT: Final = 9200
_BYTES: Final = 20  # as hexadecimal digits, which mean nothing to shells, YAML or URLs


def env_file() -> Path:
    """Where compose looks for it: `.env` beside docker-compose.yaml.

    Raises:
        StackError: if there is no docker-compose.yaml.
    """
    return collector_dir() / ".env"


def compose_elasticsearch(path: Path | None = None) -> str | None:
    """The URL, password included, of the Elasticsearch that docker-compose.yaml publishes.

    None where there are no passwords for it in `path` (default: `env_file()`), or nobody listens at its port.
    """
    try:
        text = (path or env_file()).read_text(encoding="utf-8")
    except OSError:
        return None
    password = dict(_LINE.findall(text)).get("ELASTIC_PASSWORD")
    if password is None or is_free(_PORT):
        return None
    return f"http://elastic:{quote(password, safe='')}@{LOOPBACK}:{_PORT}"


def write_passwords(path: Path) -> list[str]:
    """Add what is missing to `path`, which nobody else may read from then on; what is there stays as it is.

    Returns:
        The names of the variables that were added.

    Raises:
        OSError: if the file cannot be written.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with open(descriptor, "r+", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)
        text = file.read()
        present = dict(_LINE.findall(text))
        missing = [name for name in _PASSWORDS if name not in present]
        if missing and text and not text.endswith("\n"):
            file.write("\n")
        if not text:
            file.write(_HEAD)
        for name in missing:
            file.write(f"# {_PASSWORDS[name]}\n{name}={secrets.token_hex(_BYTES)}\n")
    return missing
