"""Lets every test import the harness of the service tests: `sink`, `server`, `traffic`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "service"))
