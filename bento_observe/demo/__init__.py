"""The demonstration: the example service under traffic, and whether everything it told has arrived.

Needs a checkout of the project (for `service_example/`) and the extras `bento-observe[dev,example]`.
"""

from __future__ import annotations

from bento_observe.demo._demo import Plan, demonstrate
from bento_observe.demo._errors import DemoError
from bento_observe.demo._screen import Screen

__all__ = ["DemoError", "Plan", "Screen", "demonstrate"]
