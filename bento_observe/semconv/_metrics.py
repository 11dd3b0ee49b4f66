"""Every metric."""

from __future__ import annotations

from typing import Final

from bento_observe.semconv._keys import *
from bento_observe.semconv._metric import Kind, Metric
from bento_observe.semconv._performance import PERFORMANCE

# The duration buckets that the HTTP conventions advise, seconds.
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
# Stages of a model server begin well under a millisecond.
_STAGE_SECONDS: Final = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
# From a Collector on the same machine to the longest that is waited for by default.
_EXPORT_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_REQUESTS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
_ROWS: Final = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0)
_CONNECTION_SECONDS: Final = (0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
_ITEMS: Final = (
    0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0, 100000.0,
)  # fmt: skip
_RATES: Final = (
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0, 20000.0, 100000.0,
)  # fmt: skip
_BYTES: Final = (
    0.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262144.0,
    1048576.0,
    4194304.0,
    16777216.0,
    67108864.0,
)

_HTTP: Final = (HTTP_REQUEST_METHOD, URL_SCHEME, HTTP_RESPONSE_STATUS_CODE, HTTP_ROUTE, ERROR_TYPE)
_FEATURE: Final = (
    ML_SIGNAL, ML_FEATURE_NAME, ML_MODEL_NAME, API_NAME, ML_REFERENCE_ID, ML_SLICE_NAME, ML_SLICE_VALUE,
)  # fmt: skip

REQUEST_DURATION: Final = Metric(
    "http.server.request.duration", Kind.HISTOGRAM, "s",
    "Duration of HTTP server requests.", _HTTP, _SECONDS,
)  # fmt: skip
ACTIVE_REQUESTS: Final = Metric(
    "http.server.active_requests", Kind.UP_DOWN_COUNTER, "{request}",
    "Number of HTTP server requests in flight.", (HTTP_REQUEST_METHOD, URL_SCHEME),
)  # fmt: skip
REQUEST_BODY_SIZE: Final = Metric(
    "http.server.request.body.size", Kind.HISTOGRAM, "By",
    "Size of HTTP server request bodies.", _HTTP, _BYTES,
)  # fmt: skip
RESPONSE_BODY_SIZE: Final = Metric(
    "http.server.response.body.size", Kind.HISTOGRAM, "By",
    "Size of HTTP server response bodies.", _HTTP, _BYTES,
)  # fmt: skip
CLIENT_DURATION: Final = Metric(
    "http.client.request.duration", Kind.HISTOGRAM, "s",
    "Duration of the calls of other services, and of runners in other processes.",
    (
        HTTP_REQUEST_METHOD, URL_TEMPLATE, HTTP_RESPONSE_STATUS_CODE, SERVER_ADDRESS, SERVER_PORT, SERVICE_PEER_NAME,
        ERROR_TYPE,
    ),
    _SECONDS,
)  # fmt: skip
STAGE_DURATION: Final = Metric(
    "bentoml.api.stage.duration", Kind.HISTOGRAM, "s",
    "Duration of the stages of an API call: decode, queue (wait for a thread or a batch), predict, encode; "
    "task, all of them where they follow the answer.",
    (API_NAME, API_STAGE, ERROR_TYPE), _STAGE_SECONDS,
)  # fmt: skip
BATCH_SIZE: Final = Metric(
    "bentoml.batch.size", Kind.HISTOGRAM, "{request}",
    "Requests in a batch; one that is too large for a batch is in several.", (API_NAME,), _REQUESTS,
)  # fmt: skip
BATCH_ROWS: Final = Metric(
    "bentoml.batch.rows", Kind.HISTOGRAM, "{row}", "Rows in a batch.", (API_NAME,), _ROWS,
)  # fmt: skip
BATCH_WAIT: Final = Metric(
    "bentoml.batch.wait", Kind.HISTOGRAM, "s",
    "Time from a request's joining the queue to the start of its (first) batch.", (API_NAME,), _STAGE_SECONDS,
)  # fmt: skip
STREAM_FIRST_ITEM_DURATION: Final = Metric(
    "bentoml.api.stream.first_item.duration", Kind.HISTOGRAM, "s",
    "Time from the beginning of a request, or of a call within one, to the first item of the stream it is answered by.",
    (API_NAME, ERROR_TYPE), _STAGE_SECONDS,
)  # fmt: skip
STREAM_ITEMS: Final = Metric(
    "bentoml.api.stream.items", Kind.HISTOGRAM, "{item}",
    "Number of items of a stream, whether it came to its end (error.type says if not).",
    (API_NAME, ERROR_TYPE), _ITEMS,
)  # fmt: skip
STREAM_RATE: Final = Metric(
    "bentoml.api.stream.rate", Kind.HISTOGRAM, "{item}/s",
    "Items a second that followed the first one of a stream.", (API_NAME, ERROR_TYPE), _RATES,
)  # fmt: skip
WEBSOCKET_CONNECTIONS: Final = Metric(
    "bentoml.websocket.connections", Kind.UP_DOWN_COUNTER, "{connection}",
    "Number of open WebSocket connections.", (URL_SCHEME,),
)  # fmt: skip
WEBSOCKET_DURATION: Final = Metric(
    "bentoml.websocket.duration", Kind.HISTOGRAM, "s",
    "Duration of WebSocket connections; of the codes from 3000 on, which applications make up, only the thousands.",
    (URL_SCHEME, HTTP_ROUTE, WEBSOCKET_CLOSE_CODE, ERROR_TYPE), _CONNECTION_SECONDS,
)  # fmt: skip
FEATURE_VALUE: Final = Metric(
    "ml.feature.value", Kind.HISTOGRAM, "1",
    "Distribution of a numeric feature's values: explicit buckets from the reference, exponential without one.",
    _FEATURE,
)  # fmt: skip
FEATURE_MISSING: Final = Metric(
    "ml.feature.missing", Kind.COUNTER, "{value}", "Values that were null or NaN.", _FEATURE,
)  # fmt: skip
FEATURE_INVALID: Final = Metric(
    "ml.feature.invalid", Kind.COUNTER, "{value}",
    "Values that could not be counted: infinite, no number, no category, or in rows of the wrong number of columns.",
    (*_FEATURE, REASON),
)  # fmt: skip
FEATURE_OUT_OF_RANGE: Final = Metric(
    "ml.feature.out_of_range", Kind.COUNTER, "{value}",
    "Values below the smallest or above the largest of the training data.", (*_FEATURE, REASON),
)  # fmt: skip
FEATURE_CATEGORY: Final = Metric(
    "ml.feature.category", Kind.COUNTER, "{value}",
    "Values of a categorical feature by category: the reference's most frequent ones, and "
    f"{CATEGORY_OTHER}, {CATEGORY_UNSEEN} (not in the training data), {CATEGORY_MISSING}.",
    (*_FEATURE, ML_FEATURE_CATEGORY),
)  # fmt: skip
FEATURE_BIN: Final = Metric(
    "ml.feature.bin", Kind.COUNTER, "{value}",
    "Values by drift bin, the few groups of buckets or categories that PSI and Jensen-Shannon compare.",
    (*_FEATURE, ML_FEATURE_BIN),
)  # fmt: skip
FEATURE_DEVIATION: Final = Metric(
    "ml.feature.deviation", Kind.COUNTER, "1",
    "Sum of the distances from the training mean, of values above and of values below it: "
    "(above - below) / count is how far the mean is from that of training.",
    (*_FEATURE, ML_DEVIATION_SIDE),
)  # fmt: skip
FEATURE_DEVIATION_SQUARES: Final = Metric(
    "ml.feature.deviation.squares", Kind.COUNTER, "1",
    "Sum of the squared distances from the training mean.", _FEATURE,
)  # fmt: skip
FEATURE_REFERENCE: Final = Metric(
    "ml.feature.reference", Kind.GAUGE, "1",
    "Share of the training data in a drift bin, smoothed as the drift is.", (*_FEATURE, ML_FEATURE_BIN),
)  # fmt: skip
FEATURE_REFERENCE_CATEGORY: Final = Metric(
    "ml.feature.reference.category", Kind.GAUGE, "1",
    "Share of the training data in a category.", (*_FEATURE, ML_FEATURE_CATEGORY),
)  # fmt: skip
FEATURE_REFERENCE_VALUE: Final = Metric(
    "ml.feature.reference.value", Kind.HISTOGRAM, "1",
    "Distribution of a numeric feature in the training data, in the buckets of ml.feature.value.", _FEATURE,
)  # fmt: skip
FEATURE_REFERENCE_COUNT: Final = Metric(
    "ml.feature.reference.count", Kind.GAUGE, "{value}",
    "Values that the training data has of a feature, missing ones not counted.", _FEATURE,
)  # fmt: skip
FEATURE_REFERENCE_MISSING: Final = Metric(
    "ml.feature.reference.missing", Kind.GAUGE, "1", "Share of missing values in the training data.", _FEATURE,
)  # fmt: skip
FEATURE_REFERENCE_MEAN: Final = Metric(
    "ml.feature.reference.mean", Kind.GAUGE, "{value}", "Mean of a numeric feature in the training data.", _FEATURE,
)  # fmt: skip
FEATURE_REFERENCE_DEVIATION: Final = Metric(
    "ml.feature.reference.deviation", Kind.GAUGE, "{value}",
    "Standard deviation of a numeric feature in the training data.", _FEATURE,
)  # fmt: skip
FEATURE_DRIFT: Final = Metric(
    "ml.feature.drift", Kind.GAUGE, "1",
    "Distance between what this worker saw within the window and the training data; absent while there is not enough.",
    (*_FEATURE, ML_DRIFT_METHOD, ML_DRIFT_WINDOW),
)  # fmt: skip
FEATURE_DRIFT_CRITICAL: Final = Metric(
    "ml.feature.drift.critical", Kind.GAUGE, "1",
    "What ml.feature.drift has to exceed to be drift, for as many values as the window has and as many features as "
    "there are.",
    (*_FEATURE, ML_DRIFT_METHOD, ML_DRIFT_WINDOW),
)  # fmt: skip
FEATURE_DRIFT_QUANTILE: Final = Metric(
    "ml.feature.drift.quantile", Kind.GAUGE, "1",
    "Quantile of a method's distribution without drift, which times (1/n + 1/m), or the root of it, is the critical "
    "value for n values, m of them in training.",
    (*_FEATURE, ML_DRIFT_METHOD),
)  # fmt: skip
PROCESS_CPU_TIME: Final = Metric(
    "process.cpu.time", Kind.COUNTER, "s", "CPU time that the worker process has used.", (CPU_MODE,),
)  # fmt: skip
PROCESS_MEMORY_USAGE: Final = Metric(
    "process.memory.usage", Kind.UP_DOWN_COUNTER, "By", "Physical memory that the worker process uses.",
)  # fmt: skip
PROCESS_MEMORY_VIRTUAL: Final = Metric(
    "process.memory.virtual", Kind.UP_DOWN_COUNTER, "By", "Virtual memory of the worker process.",
)  # fmt: skip
PROCESS_THREAD_COUNT: Final = Metric(
    "process.thread.count", Kind.UP_DOWN_COUNTER, "{thread}", "Threads of the worker process.",
)  # fmt: skip
PROCESS_FILE_DESCRIPTOR_COUNT: Final = Metric(
    "process.unix.file_descriptor.count", Kind.UP_DOWN_COUNTER, "{file_descriptor}",
    "File descriptors that the worker process has open.",
)  # fmt: skip
PROCESS_CONTEXT_SWITCHES: Final = Metric(
    "process.context_switches", Kind.COUNTER, "{context_switch}",
    "How often the worker process gave up a CPU, or was taken off it.", (PROCESS_CONTEXT_SWITCH_TYPE,),
)  # fmt: skip
_GPU: Final = (HW_ID, HW_NAME, HW_VENDOR)
HW_GPU_UTILIZATION: Final = Metric(
    "hw.gpu.utilization", Kind.GAUGE, "1", "Share of the time in which the GPU was at work.", _GPU,
)  # fmt: skip
HW_GPU_MEMORY_USAGE: Final = Metric(
    "hw.gpu.memory.usage", Kind.UP_DOWN_COUNTER, "By", "GPU memory used, by whatever process.", _GPU,
)  # fmt: skip
HW_GPU_MEMORY_LIMIT: Final = Metric(
    "hw.gpu.memory.limit", Kind.UP_DOWN_COUNTER, "By", "Size of the GPU memory.", _GPU,
)  # fmt: skip
HW_TEMPERATURE: Final = Metric(
    "hw.temperature", Kind.GAUGE, "Cel", "Temperature of the GPU.", (*_GPU, HW_TYPE),
)  # fmt: skip
HW_POWER: Final = Metric(
    "hw.power", Kind.GAUGE, "W", "Power that the GPU draws.", (*_GPU, HW_TYPE),
)  # fmt: skip
HW_ENERGY: Final = Metric(
    "hw.energy", Kind.COUNTER, "J", "Energy that the GPU has used since the worker began.", (*_GPU, HW_TYPE),
)  # fmt: skip
DROPPED: Final = Metric(
    "bento_observe.dropped", Kind.COUNTER, "{item}",
    "Telemetry given up by this process: spans, log records, metric points, feature rows, predictions, labels.",
    (TELEMETRY_SIGNAL, REASON),
)  # fmt: skip
ERRORS: Final = Metric(
    "bento_observe.errors", Kind.COUNTER, "{error}",
    "Errors inside bento_observe that were kept away from the request.", (REASON,),
)  # fmt: skip
EXPORTED: Final = Metric(
    "bento_observe.exported", Kind.COUNTER, "{item}",
    "Telemetry accepted by the OTLP endpoint.", (TELEMETRY_SIGNAL,),
)  # fmt: skip
EXPORTER_DURATION: Final = Metric(
    "otel.sdk.exporter.operation.duration", Kind.HISTOGRAM, "s",
    "Time that the OTLP endpoint took to answer an export, or that passed until it had failed.",
    (OTEL_COMPONENT_TYPE, ERROR_TYPE), _EXPORT_SECONDS,
)  # fmt: skip
PENDING: Final = Metric(
    "bento_observe.pending", Kind.GAUGE, "By",
    "Encoded telemetry waiting to be sent.", (TELEMETRY_SIGNAL,),
)  # fmt: skip

METRICS: Final = (
    REQUEST_DURATION, ACTIVE_REQUESTS, REQUEST_BODY_SIZE, RESPONSE_BODY_SIZE, CLIENT_DURATION, STAGE_DURATION,
    BATCH_SIZE, BATCH_ROWS, BATCH_WAIT,
    STREAM_FIRST_ITEM_DURATION, STREAM_ITEMS, STREAM_RATE, WEBSOCKET_CONNECTIONS, WEBSOCKET_DURATION,
    FEATURE_VALUE, FEATURE_MISSING, FEATURE_INVALID, FEATURE_OUT_OF_RANGE, FEATURE_CATEGORY, FEATURE_BIN,
    FEATURE_DEVIATION, FEATURE_DEVIATION_SQUARES, FEATURE_REFERENCE, FEATURE_REFERENCE_CATEGORY,
    FEATURE_REFERENCE_VALUE, FEATURE_REFERENCE_COUNT, FEATURE_REFERENCE_MISSING, FEATURE_REFERENCE_MEAN,
    FEATURE_REFERENCE_DEVIATION, FEATURE_DRIFT, FEATURE_DRIFT_CRITICAL, FEATURE_DRIFT_QUANTILE,
    *PERFORMANCE,
    PROCESS_CPU_TIME, PROCESS_MEMORY_USAGE, PROCESS_MEMORY_VIRTUAL, PROCESS_THREAD_COUNT,
    PROCESS_FILE_DESCRIPTOR_COUNT, PROCESS_CONTEXT_SWITCHES,
    HW_GPU_UTILIZATION, HW_GPU_MEMORY_USAGE, HW_GPU_MEMORY_LIMIT, HW_TEMPERATURE, HW_POWER, HW_ENERGY,
    DROPPED, ERRORS, EXPORTED, PENDING, EXPORTER_DURATION,
)  # fmt: skip
