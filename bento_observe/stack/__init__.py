"""The real servers (Collector, Jaeger, Prometheus, Elasticsearch) on this machine, without Docker."""

from __future__ import annotations

from bento_observe.stack._directories import CACHE_VARIABLE, chosen_cache_dir
from bento_observe.stack._errors import StackError
from bento_observe.stack._passwords import compose_elasticsearch, env_file, write_passwords
from bento_observe.stack._retention import Pruned, prune_logs
from bento_observe.stack._stack import Running, ServerStatus, Stack, missing_tools
from bento_observe.stack._tools import MissingTool, compose_command

__all__ = [
    "CACHE_VARIABLE",
    "MissingTool",
    "Pruned",
    "Running",
    "ServerStatus",
    "Stack",
    "StackError",
    "chosen_cache_dir",
    "compose_command",
    "compose_elasticsearch",
    "env_file",
    "missing_tools",
    "prune_logs",
    "write_passwords",
]
