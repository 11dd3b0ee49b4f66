"""Views over the tables: the questions people ask first, already written down."""

from __future__ import annotations

from typing import Final

__all__ = ["VIEWS"]

_REQUESTS = """
CREATE OR REPLACE VIEW requests AS
SELECT
    make_timestamp_ns(start_ns) AS started,
    service_name,
    coalesce(attributes->>'http.request.method', attributes->>'http.method') AS method,
    coalesce(attributes->>'http.route', attributes->>'url.path', attributes->>'http.target') AS route,
    try_cast(coalesce(attributes->>'http.response.status_code', attributes->>'http.status_code') AS INTEGER) AS status,
    attributes->>'error.type' AS error_type,
    duration_ns / 1e6 AS duration_ms,
    trace_id, span_id, parent_span_id, service_instance_id, start_ns
FROM spans WHERE kind = 'server'
"""

_TRACES = """
CREATE OR REPLACE VIEW traces AS
SELECT
    trace_id,
    make_timestamp_ns(min(start_ns)) AS started,
    arg_min(name, (coalesce(parent_span_id, ''), start_ns)) AS root,
    count(*) AS spans,
    count(*) FILTER (status_code = 'error') AS errors,
    list_sort(list_distinct(list(service_name))) AS services,
    (max(end_ns) - min(start_ns)) / 1e6 AS duration_ms,
    min(start_ns) AS start_ns
FROM spans GROUP BY trace_id
"""

_ERRORS = """
CREATE OR REPLACE VIEW errors AS
SELECT
    make_timestamp_ns(start_ns) AS at, 'span' AS what, service_name, name,
    coalesce(
        status_message, events->0->'attributes'->>'exception.message', attributes->>'error.type'
    ) AS message,
    trace_id, span_id
FROM spans WHERE status_code = 'error'
UNION ALL
SELECT
    make_timestamp_ns(coalesce(time_ns, observed_ns)), 'log', service_name, scope_name,
    coalesce(attributes->>'exception.message', body), trace_id, span_id
FROM logs WHERE severity_number >= 17
"""

# One row a series; a delta point says nothing on its own, so those series are left to metric_totals.
_METRIC_LATEST = """
CREATE OR REPLACE VIEW metric_latest AS
SELECT * FROM metric_points WHERE temporality IS DISTINCT FROM 'delta'
QUALIFY row_number() OVER (
    PARTITION BY service_name, service_instance_id, scope_name, name, kind, attributes
    ORDER BY time_ns DESC, rowid DESC
) = 1
"""

# Over all worker processes: the last of what is cumulative, the sum of what is delta. A gauge has no total.
_METRIC_TOTALS = """
CREATE OR REPLACE VIEW metric_totals AS
SELECT
    service_name, name, unit, kind, attributes,
    sum(value) AS value, sum("count")::BIGINT AS "count", sum("sum") AS "sum", min("min") AS "min", max("max") AS "max",
    count(DISTINCT service_instance_id) AS instances
FROM (
    SELECT * FROM metric_latest WHERE kind <> 'gauge'
    UNION ALL
    SELECT * FROM metric_points WHERE temporality = 'delta'
)
GROUP BY ALL
"""

# One row a feature and what it is compared with. Histograms with explicit buckets have no sum: their mean is that of
# training, which one worker tells, and how far the values are from it. Drift is that of the worker and the window where
# it is largest for its critical value.
_FEATURES = """
CREATE OR REPLACE VIEW features AS
WITH points AS (
    SELECT service_name, name, attributes, value, "count", "sum", "min", "max", instances
    FROM metric_totals
    WHERE name IN ('ml.feature.value', 'ml.feature.category', 'ml.feature.missing', 'ml.feature.deviation')
    UNION ALL BY NAME
    SELECT service_name, name, attributes, value FROM metric_latest WHERE name = 'ml.feature.reference.mean'
    UNION ALL BY NAME
    SELECT
        service_name, any_value(attributes) AS attributes,
        max(value) FILTER (name = 'ml.feature.drift') AS psi,
        max(value) FILTER (name = 'ml.feature.drift.critical') AS critical
    FROM metric_latest
    WHERE name IN ('ml.feature.drift', 'ml.feature.drift.critical') AND (attributes->>'ml.drift.method') = 'psi'
    GROUP BY service_name, service_instance_id, attributes::VARCHAR
), summed AS (
    SELECT
        service_name,
        attributes->>'ml.model.name' AS model,
        attributes->>'bentoml.api.name' AS api,
        attributes->>'ml.signal' AS signal,
        attributes->>'ml.feature.name' AS feature,
        (attributes->>'ml.slice.name') || '=' || (attributes->>'ml.slice.value') AS slice,
        attributes->>'ml.reference.id' AS reference,
        sum("count") AS numbers,
        sum(value) FILTER (name = 'ml.feature.category' AND (attributes->>'ml.feature.category') <> '__missing__')
            AS categories,
        sum(value) FILTER (name = 'ml.feature.missing') AS missing,
        sum("sum") AS total,
        sum(value) FILTER (name = 'ml.feature.deviation' AND (attributes->>'ml.deviation.side') = 'above') AS above,
        sum(value) FILTER (name = 'ml.feature.deviation' AND (attributes->>'ml.deviation.side') = 'below') AS below,
        max(value) FILTER (name = 'ml.feature.reference.mean') AS expected,
        min("min") AS "min", max("max") AS "max", max(instances) AS instances,
        arg_max(psi, psi / critical) AS psi, arg_max(critical, psi / critical) AS psi_critical
    FROM points GROUP BY ALL
)
SELECT
    service_name, model, api, signal, feature, slice,
    if(numbers IS NULL, 'categorical', 'numeric') AS kind,
    coalesce(numbers, categories)::BIGINT AS "count",
    coalesce(missing, 0)::BIGINT AS missing,
    coalesce(total, expected * numbers + above - below) / nullif(numbers, 0) AS mean,
    "min", "max", instances, psi, psi_critical, reference
FROM summed WHERE coalesce(numbers, categories) IS NOT NULL
"""

VIEWS: Final = (_REQUESTS, _TRACES, _ERRORS, _METRIC_LATEST, _METRIC_TOTALS, _FEATURES)
"""In an order in which each needs only those before it."""
