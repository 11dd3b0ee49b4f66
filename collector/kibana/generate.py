"""Writes objects.ndjson: run `python collector/kibana/generate.py`; a test keeps the two equal.

A data view of the logs, whose trace ids link to Jaeger, and saved searches over it, one object a line in the format of
Kibana's export. Their queries are Lucene query strings, the same that `bento-observe logs` asks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bento_observe import semconv
from bento_observe.stack.logs import (
    BODY,
    DATA_STREAMS,
    ERRORS,
    LOGGER,
    SEVERITY,
    TIME,
    TRACE_ID,
    attribute,
    resource_attribute,
    slower_than,
)

OBJECTS = Path(__file__).with_name("objects.ndjson")

JAEGER = "http://localhost:16686"  # import.sh puts another in its place
_DATA_VIEW = "bento-observe-logs"
_SLOW_S = 0.5

# The format of Kibana 8.8; later ones bring it up to date when they import it.
_FORMAT = {"coreMigrationVersion": "8.8.0", "typeMigrationVersion": "8.0.0", "managed": False}

_SERVICE = resource_attribute(semconv.SERVICE_NAME)
_DURATION = attribute(semconv.ATTRIBUTE_REQUEST_DURATION)
_LINE = (SEVERITY, _SERVICE, LOGGER, BODY)


def objects() -> list[dict[str, Any]]:
    """The data view, then the searches."""
    return [
        _data_view(),
        _search(
            "errors",
            "Errors",
            "Records of severity ERROR and above, and requests that were answered with a status from 500 on.",
            ERRORS,
            (*_LINE, attribute(semconv.EXCEPTION_TYPE), attribute(semconv.EXCEPTION_MESSAGE), TRACE_ID),
        ),
        _search(
            "slow-requests",
            "Slow requests",
            f"Requests that took {_SLOW_S:g} s or longer, the slowest first.",
            slower_than(_SLOW_S),
            (
                _DURATION,
                _SERVICE,
                attribute(semconv.HTTP_REQUEST_METHOD),
                attribute(semconv.HTTP_ROUTE),
                attribute(semconv.HTTP_RESPONSE_STATUS_CODE),
                TRACE_ID,
            ),
            sort=[[_DURATION, "desc"]],
        ),
        _search(
            "one-trace",
            "One trace",
            "What was logged within requests, in the order in which it happened. For one of them put its trace's id "
            f"in place of the star: {TRACE_ID}:0af7651916cd43dd8448eb211c80319c",
            f"{TRACE_ID}:*",
            (*_LINE, _DURATION, TRACE_ID),
            sort=[[TIME, "asc"]],
        ),
    ]


def document() -> str:
    """The file."""
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects())


def _data_view() -> dict[str, Any]:
    formats = {
        TRACE_ID: {
            "id": "url",
            "params": {"urlTemplate": f"{JAEGER}/trace/{{{{value}}}}", "labelTemplate": "{{value}}", "type": "a"},
        },
        _DURATION: {
            "id": "duration",
            "params": {
                "inputFormat": "seconds",
                "outputFormat": "asMilliseconds",
                "outputPrecision": 1,
                "showSuffix": True,
                "useShortSuffix": True,
            },
        },
    }
    attributes = {
        "title": DATA_STREAMS,
        "name": "Logs of BentoML services",
        "timeFieldName": TIME,
        "allowNoIndex": True,  # before the first record there is none
        "fieldFormatMap": json.dumps(formats),
        "fieldAttrs": "{}",
        "fields": "[]",
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
    }
    return {"type": "index-pattern", "id": _DATA_VIEW, "attributes": attributes, "references": [], **_FORMAT}


def _search(
    name: str, title: str, description: str, query: str, columns: tuple[str, ...], sort: list[list[str]] | None = None
) -> dict[str, Any]:
    index = "kibanaSavedObjectMeta.searchSourceJSON.index"
    source = {"query": {"query": query, "language": "lucene"}, "filter": [], "indexRefName": index}
    attributes = {
        "title": title,
        "description": description,
        "columns": list(columns),
        "sort": sort or [[TIME, "desc"]],
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "timeRestore": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source)},
    }
    reference = {"type": "index-pattern", "id": _DATA_VIEW, "name": index}
    return {
        "type": "search",
        "id": f"bento-observe-{name}",
        "attributes": attributes,
        "references": [reference],
        **_FORMAT,
    }


if __name__ == "__main__":
    OBJECTS.write_text(document(), encoding="utf-8")
