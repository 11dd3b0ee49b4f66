"""docs/labels.md says what is so: its code runs, its names, reasons, settings and numbers exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from bento_observe import semconv
from bento_observe._environment import EnvironmentReader
from bento_observe.feedback._endpoint import MAX_BODY
from bento_observe.feedback._identifier import MAX_ROWS
from bento_observe.settings import from_environment
from collector.alerts import NORMAL, definitions

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "labels.md").read_text(encoding="utf-8")


def test_the_services_of_the_page_can_be_imported(tmp_path: Path) -> None:
    """All Python of the page is one module; its handlers answer as the page says."""
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
    code += (
        "\nassert Fraud.inner().score(20.0, 'DE') == {'label': False, 'confidence': 0.96}"
        "\nassert Batches.inner().classify([[1.0, 1.0], [0.5]]) == {'classes': ['high', 'low'], 'ids': ['', '']}"
        "\nrecord_labels(['an id'], [True])\n"
    )
    (tmp_path / "page.py").write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_reason_is_on_the_page() -> None:
    """And no other."""
    reasons = {value for name, value in vars(semconv).items() if re.fullmatch(r"LABEL_[A-Z_]+", name)}
    reasons = {value for value in reasons if isinstance(value, str)}
    section = PAGE.partition("| reason | |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", section)) - {"BENTO_OBSERVE_LABEL_MAX_AGE"} == reasons


def test_settings_and_their_defaults_are_what_they_are() -> None:
    """Each variable is read, and its default is that of the page."""
    config = from_environment(EnvironmentReader({}))
    assert f"| `{config.prediction_header}` |" in PAGE
    assert f"| {config.label_max_age / 86_400:.0f} | days" in PAGE
    assert f"| {config.label_window} | labels of a host" in PAGE
    assert not config.labels
    changed = from_environment(
        EnvironmentReader(
            {
                "BENTO_OBSERVE_PREDICTION_HEADER": "none",
                "BENTO_OBSERVE_LABELS": "true",
                "BENTO_OBSERVE_LABEL_MAX_AGE": "7",
                "BENTO_OBSERVE_LABEL_WINDOW": "5000",
            }
        )
    )
    assert (changed.prediction_header, changed.labels) == ("", True)
    assert (changed.label_max_age, changed.label_window) == (7 * 86_400, 5000)
    assert changed.problems == ()
    assert f"up to {MAX_BODY >> 20} MiB" in PAGE
    assert f"up to {MAX_ROWS} rows" in PAGE


def test_metrics_and_alerts_of_the_page_exist() -> None:
    """By the names that it gives them."""
    names = {metric.name for metric in semconv.METRICS}
    assert set(re.findall(r"`(ml\.(?:model|label)\.[a-z_.]+)`", PAGE)) <= names | {
        semconv.ML_MODEL_NAME,
        semconv.ML_MODEL_VERSION,
    }
    alerts = {alert.name for alert in definitions(NORMAL) if alert.name.startswith("Model")}
    assert set(re.findall(r"`(Model[A-Za-z]+)`", PAGE)) == alerts
