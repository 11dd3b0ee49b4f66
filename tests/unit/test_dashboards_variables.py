"""Whatever a feature is called, a query selects that one: Grafana's format, PromQL's strings, RE2 (here Python's `re`).

tests/stack sends features of such names through the real Prometheus.
"""

from __future__ import annotations

import re

import pytest
from _dashboards import DASHBOARDS, everything, put_in, queries
from _promql import named
from hypothesis import given
from hypothesis import strategies as st

NAMES = [
    'it\'s "quoted"', "{braces}", "a b", "größe", "名前", "100% [of] (all)", "a|b", "^start$", "C:\\path", "a.b*c+d?",
    "${feature}", "\\", '"', "'", "a\nb", "/slash/", "{{feature}}", " ", "-",
]  # fmt: skip
_PATTERN = re.compile(r"ml_feature_name=~`([^`]*)`")


def _selected(expr: str) -> set[str]:
    """The regular expressions of a query for the name of a feature, as PromQL takes them out of the backticks."""
    return set(_PATTERN.findall(expr))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_breaks_no_query(name: str) -> None:
    """Every query of the dashboard of a feature can still be read, and asks for this feature alone."""
    dashboard = DASHBOARDS["feature"]
    asked = 0
    for where, expr in queries(dashboard):
        text = put_in(expr, {"feature": name, "service": name, "api": [name, "other"]}, everything(dashboard))
        assert named(text).selectors, where
        for pattern in _selected(text):
            asked += 1
            assert re.fullmatch(pattern, name)
            assert not any(re.fullmatch(pattern, other) for other in NAMES if other != name)
    assert asked > 30


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="`")), st.text())
def test_a_name_selects_itself_and_no_other(name: str, other: str) -> None:
    """Any text but a backtick, which PromQL could not take within backticks."""
    (pattern,) = _selected(put_in("x{ml_feature_name=~`${feature:regex}`}", {"feature": name}, {}))
    assert re.fullmatch(pattern, name)
    assert bool(re.fullmatch(pattern, other)) == (name == other)


def test_several_values_select_each_of_them() -> None:
    """Of variables where more than one can be chosen."""
    text = put_in("x{bentoml_api_name=~`${api:regex}`}", {"api": ["a.b", "c|d"]}, {})
    (pattern,) = re.findall(r"`(.*)`", text)
    assert [bool(re.fullmatch(pattern, value)) for value in ("a.b", "c|d", "aXb", "c", "d")] == [
        True, True, False, False, False,
    ]  # fmt: skip
