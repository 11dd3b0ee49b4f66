"""Writes docs/telemetry.md from `bento_observe.semconv`: run `python docs/generate.py`; a test keeps the two equal."""

from __future__ import annotations

from pathlib import Path

from bento_observe import semconv

PAGE = Path(__file__).with_name("telemetry.md")

_HEAD = """\
# Telemetry

Everything `bento_observe` sends, generated from `bento_observe/semconv` by `python docs/generate.py`. Prometheus
shows dots as underscores and adds the unit: `http.server.request.duration` becomes
`http_server_request_duration_seconds`.

## Resource

| attribute | value |
|---|---|
"""

_RESOURCE = (
    (semconv.SERVICE_NAME, "name of the BentoML service, or of a legacy runner; `OTEL_SERVICE_NAME` wins"),
    (semconv.SERVICE_NAMESPACE, "name of the bento"),
    (semconv.SERVICE_VERSION, "version of the bento; absent when served from source"),
    (semconv.SERVICE_INSTANCE_ID, "a fresh uuid per worker process, whatever the environment says"),
    (semconv.HOST_NAME, "host name"),
    (semconv.PROCESS_PID, "process id of the worker"),
    (semconv.WORKER_INDEX, "BentoML's worker index, from 1; used again after a crash"),
    (semconv.TELEMETRY_DISTRO_NAME, "`bento-observe`, with `" + semconv.TELEMETRY_DISTRO_VERSION + "`"),
    ("`OTEL_RESOURCE_ATTRIBUTES`", "added, and preferred to the above except the instance id"),
)

_SPANS = f"""
## Spans

| name | kind | attributes |
|---|---|---|
| `{{method}} {{http.route}}`, or the method alone where no route matched | SERVER | `{semconv.HTTP_REQUEST_METHOD}`, \
`{semconv.HTTP_ROUTE}`, `{semconv.HTTP_RESPONSE_STATUS_CODE}`, `{semconv.URL_SCHEME}`, `{semconv.URL_PATH}`, \
`{semconv.URL_QUERY}`, `{semconv.SERVER_ADDRESS}`, `{semconv.SERVER_PORT}`, `{semconv.CLIENT_ADDRESS}`, \
`{semconv.CLIENT_PORT}`, `{semconv.USER_AGENT_ORIGINAL}`, `{semconv.NETWORK_PROTOCOL_VERSION}`, \
`{semconv.HTTP_REQUEST_BODY_SIZE}`, `{semconv.HTTP_RESPONSE_BODY_SIZE}`, `{semconv.ERROR_TYPE}` |
| `{semconv.STAGE_DECODE}`, `{semconv.STAGE_PREDICT}`, `{semconv.STAGE_ENCODE}` | INTERNAL | `{semconv.API_NAME}`, \
`{semconv.ML_MODEL_NAME}`, `{semconv.ML_MODEL_VERSION}`, `{semconv.ERROR_TYPE}`; \
a `{semconv.STAGE_PREDICT}` that waited for a batch: `{semconv.ATTRIBUTE_BATCH_WAIT}` (s) and links to its batches; \
of a stream `{semconv.STREAM_ITEM_COUNT}`; of decoded files `{semconv.FILE_COUNT}` \
and the lists `{semconv.FILE_PARAMETERS}`, `{semconv.FILE_SIZES}`, \
`{semconv.FILE_TYPES}`, `{semconv.IMAGE_WIDTHS}`, `{semconv.IMAGE_HEIGHTS}` |
| `{semconv.STAGE_TASK}` | INTERNAL | `{semconv.API_NAME}`, `{semconv.TASK_ID}` (also on requests about a task), \
`{semconv.ERROR_TYPE}` |
| `GET {{http.route}}` of a WebSocket connection | SERVER | as of a request, `{semconv.NETWORK_PROTOCOL_NAME}`, \
`{semconv.WEBSOCKET_CLOSE_CODE}`, `{semconv.WEBSOCKET_RECEIVED}`, `{semconv.WEBSOCKET_SENT}` |
| `batch {{{semconv.API_NAME}}}`, of a service or a runner, below its request or, of several, a trace of its own | \
INTERNAL | `{semconv.API_NAME}`, `{semconv.ML_MODEL_NAME}`, `{semconv.ML_MODEL_VERSION}`, \
`{semconv.ATTRIBUTE_BATCH_SIZE}`, `{semconv.ATTRIBUTE_BATCH_ROWS}`, `{semconv.ERROR_TYPE}`; \
links to the `predict` spans of its requests |
| `POST {{{semconv.URL_TEMPLATE}}}`, a call of another service, or of a runner in another process | CLIENT | \
`{semconv.HTTP_REQUEST_METHOD}`, \
`{semconv.URL_TEMPLATE}`, `{semconv.URL_FULL}` or, over a Unix socket, `{semconv.NETWORK_TRANSPORT}`, \
`{semconv.SERVER_ADDRESS}`, `{semconv.SERVER_PORT}`, `{semconv.SERVICE_PEER_NAME}`, \
`{semconv.HTTP_RESPONSE_STATUS_CODE}`, `{semconv.ERROR_TYPE}` |

`{semconv.ERROR_TYPE}` is the class of the exception that BentoML turned into the answer, else the status code, \
`{semconv.ERROR_TYPE_CLIENT_DISCONNECT}` where the client hung up, `{semconv.ERROR_TYPE_STREAM_BROKEN}` where BentoML \
gave up a stream. The span's status is ERROR from 500 on.
A service that calls itself through its own application makes a span of kind INTERNAL.

## Logs

Python log records by BentoML's, the user's and other loggers (from `BENTO_OBSERVE_LOG_LEVEL` on, default INFO), the
scope being the logger's name, with `{semconv.CODE_FILE_PATH}`, `{semconv.CODE_FUNCTION_NAME}`,
`{semconv.CODE_LINE_NUMBER}`, `{semconv.THREAD_NAME}`, the `extra` fields, and for exceptions
`{semconv.EXCEPTION_TYPE}`, `{semconv.EXCEPTION_MESSAGE}` (at most 1 KiB), `{semconv.EXCEPTION_STACKTRACE}` (at most
16 KiB). Of a pydantic validation error neither holds the value that was refused. The access log is the scope
`{semconv.LOGGER_ACCESS}`: one record a request with `{semconv.HTTP_REQUEST_METHOD}`, `{semconv.URL_PATH}`,
`{semconv.HTTP_ROUTE}`, `{semconv.HTTP_RESPONSE_STATUS_CODE}`, `{semconv.ATTRIBUTE_REQUEST_DURATION}` (s),
`{semconv.CLIENT_ADDRESS}`. Trace and span ids are set on every record made within a request.

### Events of predictions

With `BENTO_OBSERVE_PREDICTIONS=elasticsearch` each predicted row is a log record with the event name
`{semconv.EVENT_PREDICTION}` and the scope `{semconv.SCOPE_PREDICTIONS}`, which a label is matched with by its id
([labels](labels.md)):

| attribute | what |
|---|---|
| `{semconv.ML_PREDICTION_ID}` | the caller's id, else a UUID (version 7); of several rows each has `.0`, `.1`, … \
behind it |
| `{semconv.API_NAME}`, `{semconv.ML_MODEL_NAME}`, `{semconv.ML_MODEL_VERSION}` | what predicted it |
| `{semconv.ML_PREDICTION_TYPE}` | `{semconv.PREDICTION_CLASS}`, `{semconv.PREDICTION_VALUE}`, or \
`{semconv.PREDICTION_TEXT}`, of which nothing is told |
| `{semconv.ML_PREDICTION_CLASS}`, or `{semconv.ML_PREDICTION_VALUE}` | the class, or the number |
| `{semconv.ML_PREDICTION_CONFIDENCE}`, `{semconv.ML_PREDICTION_CLASSES}` | probability of the class, and how many \
there are, where somebody said |
| `{semconv.ML_SLICE}…` | the value of each slice, by its column |

## Metrics

| name | kind | unit | attributes | what |
|---|---|---|---|---|
"""

_EXEMPLARS = f"""
Histograms of requests, stages and calls carry exemplars; those of `{semconv.FEATURE_VALUE.name}`, the smallest and the
largest value of each export interval, with the `predict` span, the request or the batch that had it. Spans that are not
sampled are never linked to a feature's value; `OTEL_METRICS_EXEMPLAR_FILTER=always_off` sends no exemplars at all.
"""


def page() -> str:
    """The whole page."""
    lines = [_HEAD]
    lines += [f"| {name if name.startswith('`') else f'`{name}`'} | {what} |\n" for name, what in _RESOURCE]
    lines.append(_SPANS)
    for metric in semconv.METRICS:
        attributes = ", ".join(f"`{name}`" for name in metric.attributes)
        lines.append(
            f"| `{metric.name}` | {metric.kind.value} | `{metric.unit}` | {attributes} | {metric.description} |\n"
        )
    lines.append(_EXEMPLARS)
    lines.append("\n## Bucket boundaries\n\n")
    for metric in semconv.METRICS:
        if metric.boundaries:
            lines.append(f"- `{metric.name}`: {', '.join(f'{bound:g}' for bound in metric.boundaries)}\n")
    return "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
