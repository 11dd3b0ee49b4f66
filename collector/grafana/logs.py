"""Panels over Elasticsearch (documents in the Collector's OTel mapping) and Jaeger, all of one service."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import common, elasticsearch, logs, table, timeseries
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models.elasticsearch import TermsOrder

from bento_observe import semconv
from collector.grafana.expectations import Traffic
from collector.grafana.look import Look, Panel, finished
from collector.grafana.sources import ELASTICSEARCH, JAEGER

__all__ = ["PANELS", "TIME_FIELD"]

TIME_FIELD: Final = "@timestamp"
_SERVICE: Final = f'resource.attributes.{semconv.SERVICE_NAME}:"${{service:lucene}}"'
_SEVERITY: Final = "severity_text"
_ERRORS: Final = "severity_number:>=17"
_STATUS: Final = f"attributes.{semconv.HTTP_RESPONSE_STATUS_CODE}"
_ACCESS: Final = f'scope.name:"{semconv.LOGGER_ACCESS}"'
_SLOW: Final = "500ms"
_NO_LOGS: Final = (
    "No data yet, because the service wrote no such line in this time, or Elasticsearch dropped it: the index "
    "templates have to be there before the first document."
)


def _counted(look: Look, query: str, field: str) -> Panel:
    """Documents over time, by the values of a field."""
    panel = (
        timeseries.Panel()
        .draw_style(kinds.GraphDrawStyle.BARS)
        .fill_opacity(80)
        .line_width(0)
        .stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL))
        .legend(
            common.VizLegendOptions()
            .display_mode(kinds.LegendDisplayMode.LIST)
            .placement(kinds.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs([])
        )
        .build()
    )
    target = (
        elasticsearch.Dataquery()
        .query(query)
        .time_field(TIME_FIELD)
        .metrics([elasticsearch.Count().id("1")])
        .bucket_aggs(
            [
                elasticsearch.Terms()
                .id("2")
                .field(field)
                .settings(
                    elasticsearch.ElasticsearchTermsSettings()
                    .min_doc_count("1")
                    .size("10")
                    .order(TermsOrder.DESC)
                    .order_by("_count")
                ),
                elasticsearch.DateHistogram()
                .id("3")
                .field(TIME_FIELD)
                .settings(elasticsearch.ElasticsearchDateHistogramSettings().interval("auto").min_doc_count("0")),
            ]
        )
        .datasource(ELASTICSEARCH)
        .ref_id("A")
        .build()
    )
    panel.targets = [target]
    return finished(panel, look, ELASTICSEARCH)


def _lines(look: Look, query: str, limit: int = 200) -> Panel:
    """The documents themselves, the newest first."""
    panel = (
        logs.Panel()
        .show_time(True)
        .show_labels(False)
        .show_common_labels(False)
        .wrap_log_message(True)
        .enable_log_details(True)
        .prettify_log_message(False)
        .sort_order(kinds.LogsSortOrder.DESCENDING)
        .dedup_strategy(kinds.LogsDedupStrategy.NONE)
        .build()
    )
    metric = elasticsearch.Logs().id("1").settings(elasticsearch.ElasticsearchLogsSettings().limit(str(limit)))
    panel.targets = [
        elasticsearch.Dataquery()
        .query(query)
        .time_field(TIME_FIELD)
        .metrics([metric])
        .bucket_aggs([])
        .datasource(ELASTICSEARCH)
        .ref_id("A")
        .build()
    ]
    return finished(panel, look, ELASTICSEARCH)


def _slow_traces(look: Look, longer_than: str) -> Panel:
    """Traces of the service that took longer; the SDK has no type for queries of the Jaeger data source."""
    panel = table.Panel().show_header(True).align(kinds.FieldTextAlignment.AUTO).inspect(False).build()
    panel.targets = [
        UnknownDataquery(
            {
                "refId": "A",
                "datasource": JAEGER.to_json(),
                "queryType": "search",
                "service": "${service:raw}",
                "minDuration": longer_than,
                "limit": 50,
            }
        )
    ]
    return finished(panel, look, JAEGER)


PANELS: Final = (
    _counted(
        Look(
            "Log lines by severity", "Lines that the service logged, by severity.", _NO_LOGS, Traffic.ANY, "short", 12,
        ),
        _SERVICE,
        _SEVERITY,
    ),
    _counted(
        Look(
            "Failed requests in the log", "Lines of the access log with a status from 400 on, by status.",
            "No data yet, because no request failed in this time.", Traffic.FAILING, "short", 12,
        ),
        f"{_SERVICE} AND {_ACCESS} AND {_STATUS}:>=400",
        _STATUS,
    ),
    _lines(
        Look(
            "Errors in the log",
            "Lines of severity ERROR and above. Open one to see its exception, and to go to its trace.",
            "No data yet, because nothing was logged as an error in this time.", Traffic.FAILING, "short", 12, 10,
        ),
        f"{_SERVICE} AND {_ERRORS}",
    ),
    _lines(
        Look(
            "Log", "What the service, its libraries and its access log wrote. Open a line to go to its trace.",
            _NO_LOGS, Traffic.ANY, "short", 12, 10,
        ),
        _SERVICE,
    ),
    _slow_traces(
        Look(
            "Slow requests",
            f"Traces that took longer than {_SLOW}, the newest fifty. A click opens one, and from there its log lines.",
            f"No data yet, because no request took longer than {_SLOW} in this time, or traces were not sampled.",
            Traffic.SLOW, "short", 24,
        ),
        _SLOW,
    ),
)  # fmt: skip
