"""Elasticsearch's targets, as Grafana's data source asks for them: by `_msearch`.

After `pkg/tsdb/elasticsearch/data_query.go`: log lines, raw documents, and metrics within buckets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from collector.grafana.preview._answers import Answer, Series
from collector.grafana.preview._formats import Chosen, lucene, replace
from collector.grafana.preview._intervals import Intervals, Window
from collector.grafana.preview._model import Query
from collector.grafana.preview._sources import Sources, ask

__all__ = ["choices", "request", "run"]

_SIZE: Final = 500
_DOCUMENTS: Final = ("logs", "raw_data", "raw_document")
Json = dict[str, Any]


def run(query: Query, scope: Mapping[str, Chosen], steps: Intervals, window: Window, sources: Sources) -> Answer:
    """The answer to a target; see `_prometheus.run` for the errors."""
    text = replace(query.body.get("query") or "", scope, lucene)
    body = request(query.body, text, steps, window, sources.time_field)
    response = _search(sources, body)
    if _kind(query.body) in _DOCUMENTS:
        hits = response["hits"]["hits"]
        return Answer(query.ref, text, rows=tuple({"_id": hit["_id"], **hit["_source"]} for hit in hits))
    buckets = query.body["bucketAggs"]
    series, rows = [], []
    # Where there is no index yet, the answer has no aggregations.
    for keys, bucket in _leaves(response["aggregations"], buckets) if "aggregations" in response else ():
        for metric in query.body["metrics"]:
            value = bucket["doc_count"] if metric["type"] == "count" else bucket[metric["id"]]["value"]
            rows.append({**keys, metric["type"]: value})
    if buckets[-1]["type"] == "date_histogram":
        series, rows = _by_time(rows, buckets), []
    return Answer(query.ref, text, series=tuple(series), rows=tuple(rows))


def request(target: Mapping[str, Any], text: str, steps: Intervals, window: Window, time_field: str) -> Json:
    """The body of a search for `target`, whose query is `text` once its variables are replaced.

    Raises:
        ValueError: the target asks for something that is not known here.
    """
    start, end = round(1000 * window.start), round(1000 * window.end)
    filters: list[Json] = [{"range": {time_field: {"gte": start, "lte": end, "format": "epoch_millis"}}}]
    if text:
        filters.append({"query_string": {"query": text, "analyze_wildcard": True}})
    body: Json = {"size": 0, "query": {"bool": {"filter": filters}}}
    every = {"interval": "auto", **_interval(steps, start, end)}
    if _kind(target) in _DOCUMENTS:
        settings = target["metrics"][0].get("settings") or {}
        limit = settings.get("limit" if _kind(target) == "logs" else "size") or _SIZE
        body |= {
            "size": int(limit),
            "sort": [{time_field: {"order": "desc", "unmapped_type": "boolean"}}, {"_doc": {"order": "desc"}}],
            "docvalue_fields": [time_field],
            "fields": [{"field": time_field, "format": "strict_date_optional_time_nanos"}],
            "script_fields": {},
        }
        if _kind(target) == "logs":
            marks = {"pre_tags": ["@HIGHLIGHT@"], "post_tags": ["@/HIGHLIGHT@"], "fragment_size": 2147483647}
            body["highlight"] = {"fields": {"*": {}}, **marks}
            body["aggs"] = {"1": {"date_histogram": {"field": time_field, **_only_dates(every)}}}
        return body
    inner: Json = {metric["id"]: _metric(metric) for metric in target["metrics"] if metric["type"] != "count"}
    for bucket in reversed(target.get("bucketAggs") or ()):
        inner = {bucket["id"]: {**_bucket(bucket, target["metrics"], every, time_field), **_nested(inner)}}
    if not inner:
        raise ValueError("neither documents nor buckets are asked for")
    return {**body, "aggs": inner}


def choices(text: str, scope: Mapping[str, Chosen], window: Window, sources: Sources) -> list[str]:
    """What the query of a variable gives: `{"find": "terms", "field": …, "query": …}`; errors are those of `run`."""
    asked = json.loads(replace(text, scope, lucene))
    if asked.get("find") != "terms":
        raise ValueError(f"{text!r} does not find terms")
    target = {
        "metrics": [{"id": "1", "type": "count"}],
        "bucketAggs": [{"id": "2", "type": "terms", "field": asked["field"], "settings": {"size": str(_SIZE)}}],
    }
    body = request(target, asked.get("query", ""), Intervals(1000, 1.0, 4.0), window, sources.time_field)
    found = _search(sources, body).get("aggregations") or {"2": {"buckets": ()}}
    return [str(bucket["key"]) for bucket in found["2"]["buckets"]]


def _search(sources: Sources, body: Json) -> Json:
    header = {"search_type": "query_then_fetch", "ignore_unavailable": True, "index": sources.index}
    lines = f"{json.dumps(header)}\n{json.dumps(body)}\n".encode()
    answer = ask(f"{sources.elasticsearch}/_msearch?max_concurrent_shard_requests=5", method="POST", body=lines)
    response: Json = answer["responses"][0]
    if "error" in response:
        raise OSError(json.dumps(response["error"])[:400])
    return response


def _kind(target: Mapping[str, Any]) -> str:
    metrics = target.get("metrics") or [{"type": "count"}]
    return str(metrics[0]["type"])


def _interval(steps: Intervals, start: int, end: int) -> Json:
    return {
        "fixed_interval": f"{steps.interval_ms}ms",
        "min_doc_count": 0,
        "extended_bounds": {"min": start, "max": end},
        "format": "epoch_millis",
    }


def _only_dates(every: Json) -> Json:
    return {key: value for key, value in every.items() if key != "interval"}


def _bucket(bucket: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]], every: Json, time_field: str) -> Json:
    settings, field = bucket.get("settings") or {}, bucket.get("field") or time_field
    if bucket["type"] == "date_histogram":
        dates = {**_only_dates(every), "field": field, "min_doc_count": int(settings.get("min_doc_count") or 0)}
        if settings.get("interval", "auto") != "auto":
            dates["fixed_interval"] = settings["interval"]
        return {"date_histogram": dates}
    if bucket["type"] == "terms":
        order = {settings.get("orderBy", "_term"): settings.get("order", "desc")}
        counted = {metric["id"] for metric in metrics if metric["type"] == "count"}
        order = {"_count" if key in counted else key.replace("_term", "_key"): value for key, value in order.items()}
        terms: Json = {"field": field, "size": int(settings.get("size") or _SIZE) or _SIZE, "order": order}
        if "min_doc_count" in settings:
            terms["min_doc_count"] = int(settings["min_doc_count"])
        if settings.get("missing"):
            terms["missing"] = settings["missing"]
        return {"terms": terms}
    if bucket["type"] == "filters":
        filters = {
            each.get("label") or each["query"]: {"query_string": {"query": each["query"], "analyze_wildcard": True}}
            for each in settings["filters"]
        }
        return {"filters": {"filters": filters}}
    raise ValueError(f"buckets of type {bucket['type']!r}")


def _metric(metric: Mapping[str, Any]) -> Json:
    if metric["type"] not in ("avg", "sum", "min", "max", "cardinality"):
        raise ValueError(f"a metric of type {metric['type']!r}")
    return {metric["type"]: {"field": metric["field"]}}


def _nested(inner: Json) -> Json:
    return {"aggs": inner} if inner else {}


def _leaves(found: Json, buckets: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Json, Json]]:
    """Every innermost bucket, with the keys on the way to it by field."""
    first, rest = buckets[0], buckets[1:]
    inside = found[first["id"]]["buckets"]
    named = inside.items() if isinstance(inside, dict) else ((bucket["key"], bucket) for bucket in inside)
    for key, bucket in named:
        field = first.get("field") or first["type"]
        if not rest:
            yield {field: key}, bucket
            continue
        for keys, leaf in _leaves(bucket, rest):
            yield {field: key, **keys}, leaf


def _by_time(rows: Sequence[Json], buckets: Sequence[Mapping[str, Any]]) -> list[Series]:
    time_field = buckets[-1].get("field") or buckets[-1]["type"]
    groups: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    for row in rows:
        metric = next(reversed(row))
        labels = tuple((key, str(value)) for key, value in row.items() if key not in (time_field, metric))
        value = row[metric]
        groups.setdefault((*labels, ("metric", metric)), []).append(
            (float(row[time_field]) / 1000, float("nan") if value is None else float(value))
        )
    return [
        Series(
            " ".join(value for key, value in labels if key != "metric") or labels[-1][1],
            dict(labels),
            np.array([moment for moment, _ in points]),
            np.array([value for _, value in points]),
        )
        for labels, points in groups.items()
    ]
