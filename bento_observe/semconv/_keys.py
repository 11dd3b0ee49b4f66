"""Scopes, the keys of attributes, and those of their values that are fixed."""

from __future__ import annotations

from typing import Final

# Scopes. One scope per producer: two producers under one scope name would overwrite each other in the OTLP encoder.
SCOPE_SERVER: Final = "bento_observe.server"
SCOPE_FEATURES: Final = "bento_observe.features"
SCOPE_PERFORMANCE: Final = "bento_observe.performance"
SCOPE_PREDICTIONS: Final = "bento_observe.predictions"
SCOPE_HEALTH: Final = "bento_observe.health"
SCOPE_PROCESS: Final = "bento_observe.process"
SCOPE_GPU: Final = "bento_observe.gpu"

# Resource attributes.
SERVICE_NAME: Final = "service.name"
SERVICE_NAMESPACE: Final = "service.namespace"
SERVICE_VERSION: Final = "service.version"
SERVICE_INSTANCE_ID: Final = "service.instance.id"
DEPLOYMENT_ENVIRONMENT_NAME: Final = "deployment.environment.name"
HOST_NAME: Final = "host.name"
PROCESS_PID: Final = "process.pid"
TELEMETRY_DISTRO_NAME: Final = "telemetry.distro.name"
TELEMETRY_DISTRO_VERSION: Final = "telemetry.distro.version"
WORKER_INDEX: Final = "bentoml.worker.index"

# Span, metric and log attributes of the conventions.
HTTP_REQUEST_METHOD: Final = "http.request.method"
HTTP_REQUEST_METHOD_ORIGINAL: Final = "http.request.method_original"
HTTP_RESPONSE_STATUS_CODE: Final = "http.response.status_code"
HTTP_ROUTE: Final = "http.route"
HTTP_REQUEST_BODY_SIZE: Final = "http.request.body.size"
HTTP_RESPONSE_BODY_SIZE: Final = "http.response.body.size"
HTTP_REQUEST_CONTENT_TYPE: Final = "http.request.header.content-type"
HTTP_RESPONSE_CONTENT_TYPE: Final = "http.response.header.content-type"
URL_FULL: Final = "url.full"
URL_PATH: Final = "url.path"
URL_QUERY: Final = "url.query"
URL_SCHEME: Final = "url.scheme"
URL_TEMPLATE: Final = "url.template"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
CLIENT_ADDRESS: Final = "client.address"
CLIENT_PORT: Final = "client.port"
NETWORK_PROTOCOL_NAME: Final = "network.protocol.name"
NETWORK_PROTOCOL_VERSION: Final = "network.protocol.version"
NETWORK_TRANSPORT: Final = "network.transport"
USER_AGENT_ORIGINAL: Final = "user_agent.original"
SERVICE_PEER_NAME: Final = "service.peer.name"
ERROR_TYPE: Final = "error.type"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"
CODE_FILE_PATH: Final = "code.file.path"
CODE_FUNCTION_NAME: Final = "code.function.name"
CODE_LINE_NUMBER: Final = "code.line.number"
THREAD_NAME: Final = "thread.name"
CPU_MODE: Final = "cpu.mode"
PROCESS_CONTEXT_SWITCH_TYPE: Final = "process.context_switch.type"
HW_ID: Final = "hw.id"
HW_NAME: Final = "hw.name"
HW_TYPE: Final = "hw.type"
HW_VENDOR: Final = "hw.vendor"

# This project's.
API_NAME: Final = "bentoml.api.name"
API_STAGE: Final = "bentoml.api.stage"
ATTRIBUTE_BATCH_SIZE: Final = "bentoml.batch.size"
ATTRIBUTE_BATCH_ROWS: Final = "bentoml.batch.rows"
ATTRIBUTE_BATCH_WAIT: Final = "bentoml.batch.wait"
WEBSOCKET_CLOSE_CODE: Final = "bentoml.websocket.close_code"
WEBSOCKET_RECEIVED: Final = "bentoml.websocket.messages.received"
WEBSOCKET_SENT: Final = "bentoml.websocket.messages.sent"
FILE_COUNT: Final = "bentoml.api.file.count"
FILE_PARAMETERS: Final = "bentoml.api.file.parameters"
FILE_SIZES: Final = "bentoml.api.file.sizes"
FILE_TYPES: Final = "bentoml.api.file.types"
IMAGE_WIDTHS: Final = "bentoml.api.image.widths"
IMAGE_HEIGHTS: Final = "bentoml.api.image.heights"
TASK_ID: Final = "bentoml.task.id"
STREAM_ITEM_COUNT: Final = "bentoml.api.stream.items"
ML_SIGNAL: Final = "ml.signal"
ML_FEATURE_NAME: Final = "ml.feature.name"
ML_MODEL_NAME: Final = "ml.model.name"
ML_MODEL_VERSION: Final = "ml.model.version"
ML_REFERENCE_ID: Final = "ml.reference.id"
ML_FEATURE_BIN: Final = "ml.feature.bin"
ML_FEATURE_CATEGORY: Final = "ml.feature.category"
ML_DEVIATION_SIDE: Final = "ml.deviation.side"
ML_DRIFT_METHOD: Final = "ml.drift.method"
ML_DRIFT_WINDOW: Final = "ml.drift.window"
ML_SLICE: Final = "ml.slice."
"""Before the column of a slice: an attribute of this name has the slice's value."""

ML_SLICE_NAME: Final = "ml.slice.name"
ML_SLICE_VALUE: Final = "ml.slice.value"
ML_PREDICTION_ID: Final = "ml.prediction.id"
ML_PREDICTION_TYPE: Final = "ml.prediction.type"
ML_PREDICTION_CLASS: Final = "ml.prediction.class"
ML_PREDICTION_VALUE: Final = "ml.prediction.value"
ML_PREDICTION_CONFIDENCE: Final = "ml.prediction.confidence"
ML_PREDICTION_CLASSES: Final = "ml.prediction.classes"
ML_PREDICTION_CORRECT: Final = "ml.prediction.correct"
ML_LABEL_CLASS: Final = "ml.label.class"
ML_SCORE_EVENT: Final = "ml.score.event"
ML_SCORE_OUTCOME: Final = "ml.score.outcome"
ML_SCORE_BIN: Final = "ml.score.bin"
ML_CLASS: Final = "ml.class"
ML_OUTCOME: Final = "ml.outcome"
ML_PERFORMANCE_METRIC: Final = "ml.performance.metric"
ML_PERFORMANCE_WINDOW: Final = "ml.performance.window"
ML_PERFORMANCE_BOUND: Final = "ml.performance.bound"
TELEMETRY_SIGNAL: Final = "signal"
OTEL_COMPONENT_TYPE: Final = "otel.component.type"
REASON: Final = "reason"

# Values.
ERROR_TYPE_CLIENT_DISCONNECT: Final = "client_disconnect"
"""`error.type` of a request whose client was gone before the response was complete."""

ERROR_TYPE_STREAM_BROKEN: Final = "stream_broken"
"""`error.type` of a stream that BentoML gave up before its handler was done, as it does where an item cannot be
encoded."""

STAGE_DECODE: Final = "decode"
STAGE_QUEUE: Final = "queue"
STAGE_PREDICT: Final = "predict"
STAGE_ENCODE: Final = "encode"
STAGE_TASK: Final = "task"

SIGNAL_INPUT: Final = "input"
SIGNAL_FEATURE: Final = "feature"
SIGNAL_PREDICTION: Final = "prediction"
SIGNAL_LABEL: Final = "label"
API_OF_MONITOR: Final = "monitor:{}"
"""`bentoml.api.name` of what `bentoml.monitor(name)` logs; no API is called so, since API names are Python names."""

SIGNALS: Final = (SIGNAL_INPUT, SIGNAL_FEATURE, SIGNAL_PREDICTION, SIGNAL_LABEL)

# Values of `reason` on `ml.feature.invalid`.
REASON_INFINITE: Final = "infinite"
REASON_NOT_A_NUMBER: Final = "not_a_number"
REASON_NOT_A_CATEGORY: Final = "not_a_category"
REASON_COLUMNS: Final = "columns"

# Values of `reason` on `ml.label.refused`: first what is wrong with an id, then with a label, then with neither.
LABEL_NO_ID: Final = "no_id"
LABEL_MALFORMED: Final = "malformed"
LABEL_TRUNCATED: Final = "truncated"
LABEL_OTHER_KEY: Final = "other_key"
LABEL_FORGED: Final = "forged"
LABEL_UNKNOWN_ID: Final = "unknown_id"
LABEL_LOOKUP_FAILED: Final = "lookup_failed"
LABEL_EXPIRED: Final = "expired"
LABEL_DUPLICATE: Final = "duplicate"
LABEL_NO_LABEL: Final = "no_label"
LABEL_NOT_A_LABEL: Final = "not_a_label"
LABEL_UNKNOWN_CLASS: Final = "unknown_class"
LABEL_TOO_MANY_MODELS: Final = "too_many_models"
LABEL_BUSY: Final = "busy"

# Values of `reason` on `bento_observe.dropped` where it is a part of labels that is lost.
DROPPED_NOT_AT_HAND: Final = "not_at_hand"
DROPPED_SLICES_TOO_LONG: Final = "slices_too_long"
DROPPED_SLICES_FULL: Final = "slices_full"

LABELS_AGAIN: Final = frozenset((LABEL_BUSY, LABEL_LOOKUP_FAILED))
"""Reasons that pass: the label can be sent again, and then be matched."""

EVENT_PREDICTED: Final = "__predicted__"
"""`ml.score.event` where there are not just two classes: that the predicted one is right."""

# Values of `reason` on `ml.feature.out_of_range`, and of `ml.deviation.side`.
SIDE_BELOW: Final = "below"
SIDE_ABOVE: Final = "above"

# Values of `ml.feature.category` and of `ml.slice.value` that stand for many.
CATEGORY_OTHER: Final = "__other__"
CATEGORY_UNSEEN: Final = "__unseen__"
CATEGORY_MISSING: Final = "__missing__"

# Values of `ml.drift.method`, which are also the columns of `drift()`.
DRIFT_PSI: Final = "psi"
DRIFT_JS: Final = "js"
DRIFT_KS: Final = "ks"
DRIFT_WASSERSTEIN: Final = "wasserstein"
DRIFT_CHI2: Final = "chi2"
DRIFT_MEAN_Z: Final = "mean_z"
DRIFT_VARIANCE_RATIO: Final = "variance_ratio"
DRIFT_METHODS: Final = (
    DRIFT_PSI, DRIFT_JS, DRIFT_KS, DRIFT_WASSERSTEIN, DRIFT_CHI2, DRIFT_MEAN_Z, DRIFT_VARIANCE_RATIO,
)  # fmt: skip

# Values of `ml.performance.metric`.
METRIC_ACCURACY: Final = "accuracy"
METRIC_PRECISION: Final = "precision"
METRIC_RECALL: Final = "recall"
METRIC_F1: Final = "f1"
METRIC_ROC_AUC: Final = "roc_auc"
METRIC_MAE: Final = "mae"
METRIC_RMSE: Final = "rmse"
PERFORMANCE_METRICS: Final = (METRIC_ACCURACY, METRIC_PRECISION, METRIC_RECALL, METRIC_F1, METRIC_ROC_AUC)

# Values of `ml.performance.bound`.
BOUND_VALUE: Final = "value"
BOUND_LOW: Final = "low"
BOUND_HIGH: Final = "high"

# Values of `ml.outcome`: of predictions of a class, and of the scores of one.
OUTCOME_HIT: Final = "hit"
OUTCOME_MISS: Final = "miss"
OUTCOME_POSITIVE: Final = "positive"
OUTCOME_NEGATIVE: Final = "negative"
OUTCOME_NEGATIVE_BELOW: Final = "negative_below"

# Values of `ml.outcome` of errors.
OUTCOME_OBSERVED: Final = "observed"
OUTCOME_EXPECTED: Final = "expected"
OUTCOME_VARIANCE: Final = "variance"

# Values of `ml.outcome` of losses.
OUTCOME_ABSOLUTE: Final = "absolute"
OUTCOME_SQUARED: Final = "squared"
OUTCOME_ABSOLUTE_VARIANCE: Final = "absolute_variance"
OUTCOME_SQUARED_VARIANCE: Final = "squared_variance"

# Values of `ml.prediction.type`.
PREDICTION_CLASS: Final = "class"
PREDICTION_VALUE: Final = "value"
PREDICTION_TEXT: Final = "text"

EVENT_PREDICTION: Final = "ml.prediction"
"""The name of the event that a prediction is, where predictions are kept in Elasticsearch."""

SIGNAL_PREDICTIONS: Final = "predictions"
"""`signal` of such events in the metrics of our own."""

LOGGER_ACCESS: Final = "bentoml.access"
ATTRIBUTE_REQUEST_DURATION: Final = "http.server.request.duration"
"""Of a record of the access log: the same seconds as in the metric of this name."""
