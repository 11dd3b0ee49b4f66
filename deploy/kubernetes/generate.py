"""Writes agent.yaml and gateway.yaml from collector/config.yaml: run `python deploy/kubernetes/generate.py`.

Both are `OpenTelemetryCollector` resources of the OpenTelemetry Operator. The agent takes what the services of its node
send, and reads the node's metrics; the gateway is the Collector of `collector/`. A test keeps the files equal to this.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
COLLECTOR = HERE.parents[1] / "collector"

_HEAD = """\
# Generated from collector/config.yaml by deploy/kubernetes/generate.py; change those.
#
"""
_AGENT_HEAD = """\
# The agent: one Collector a node. A bento sends to its node's address (status.hostIP, see bento.yaml); what it sent is
# on the node's disk when it is told "accepted", and goes on to the gateway from there.
"""
_GATEWAY_HEAD = """\
# The gateway: takes what the agents send, and sends it on to Jaeger, Prometheus and Elasticsearch, whose addresses
# stand under env. Its queues are in a volume of the pod: they outlive a crash of the Collector, and not the pod itself;
# those of a StatefulSet with a claim do (mode: statefulset, volumeClaimTemplates).
"""

_NAMESPACE = "observability"
_USER = 10001  # of the published image
_STORAGE = "/data"
_ENDPOINTS = {  # of the receivers and of the extensions, literally: the Operator reads the ports there
    "OTELCOL_OTLP_GRPC": "0.0.0.0:4317",
    "OTELCOL_OTLP_HTTP": "0.0.0.0:4318",
    "OTELCOL_HEALTH": "0.0.0.0:13133",
    "OTELCOL_STORAGE": _STORAGE,
    "HOST_ROOT": "/hostfs",
}
_BACKENDS = {
    "JAEGER_OTLP": "jaeger:4317",
    "PROMETHEUS_URL": "http://prometheus:9090",
    "ELASTICSEARCH_URL": "http://elasticsearch:9200",
}

_LOGIN = {"ELASTICSEARCH_USER": "username", "ELASTICSEARCH_PASSWORD": "password"}


def agent() -> dict[str, Any]:
    """The DaemonSet."""
    config = _config()
    exporters = config["exporters"]
    jaeger = exporters["otlp_grpc/jaeger"]
    config["exporters"] = {
        "otlp_grpc/gateway": {
            **jaeger,
            # All pods of the gateway in turn: one connection would stay with one of them.
            "endpoint": "dns:///gateway-collector-headless:4317",
            "balancer_name": "round_robin",
        }
    }
    # What is done with logs is the gateway's.
    config["processors"] = {name: config["processors"][name] for name in ("memory_limiter", "resource/host")}
    pipelines = config["service"]["pipelines"]
    pipelines["logs"]["processors"] = ["memory_limiter"]
    for pipeline in pipelines.values():
        pipeline["exporters"] = ["otlp_grpc/gateway"]
    # A pod sees the network of its own, and no node's: collector/config.container.yaml.
    del config["receivers"]["host_metrics"]["scrapers"]["network"]
    # Its own metrics take the way of all others.
    (reader,) = config["service"]["telemetry"]["metrics"]["readers"]
    reader["periodic"]["exporter"]["otlp"]["endpoint"] = "http://127.0.0.1:4318/v1/metrics"
    node = {"name": "HOST_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    specification = {
        "mode": "daemonset",
        "env": [node],
        "ports": [
            {"name": "otlp-grpc", "port": 4317, "protocol": "TCP", "hostPort": 4317},
            {"name": "otlp-http", "port": 4318, "protocol": "TCP", "hostPort": 4318},
        ],
        "resources": _resources("100m", "256Mi", "768Mi"),
        # A node that takes no ordinary pods has telemetry as well.
        "tolerations": [{"operator": "Exists"}],
        "initContainers": [
            {
                "name": "storage",
                "image": "busybox:1.37",
                "command": ["chown", f"{_USER}:{_USER}", _STORAGE],
                "securityContext": {"runAsUser": 0, "runAsNonRoot": False},
                "volumeMounts": [{"name": "storage", "mountPath": _STORAGE}],
            }
        ],
        "volumes": [
            {"name": "storage", "hostPath": {"path": "/var/lib/otelcol-agent", "type": "DirectoryOrCreate"}},
            {"name": "proc", "hostPath": {"path": "/proc", "type": "Directory"}},
            {"name": "sys", "hostPath": {"path": "/sys", "type": "Directory"}},
        ],
        "volumeMounts": [
            {"name": "storage", "mountPath": _STORAGE},
            {"name": "proc", "mountPath": "/hostfs/proc", "readOnly": True},
            {"name": "sys", "mountPath": "/hostfs/sys", "readOnly": True},
        ],
    }
    return _resource("agent", specification, config)


def gateway() -> dict[str, Any]:
    """The Deployment."""
    config = _config()
    del config["receivers"]["host_metrics"]
    del config["processors"]["resource/host"]
    del config["service"]["pipelines"]["metrics/host"]
    specification = {
        "mode": "deployment",
        "replicas": 2,
        "env": [
            *({"name": name, "value": value} for name, value in _BACKENDS.items()),
            *({"name": name, "valueFrom": {"secretKeyRef": _secret(key)}} for name, key in _LOGIN.items()),
        ],
        "resources": _resources("200m", "512Mi", "1Gi"),
        "podDisruptionBudget": {"minAvailable": 1},
        "volumes": [{"name": "storage", "emptyDir": {"sizeLimit": "4Gi"}}],
        "volumeMounts": [{"name": "storage", "mountPath": _STORAGE}],
    }
    return _resource("gateway", specification, config)


def documents() -> dict[str, str]:
    """The files by name."""
    return {
        "agent.yaml": _HEAD + _AGENT_HEAD + _dump(agent()),
        "gateway.yaml": _HEAD + _GATEWAY_HEAD + _dump(gateway()),
    }


def _config() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((COLLECTOR / "config.yaml").read_text(encoding="utf-8"))
    return copy.deepcopy(_literal(config))  # without what YAML's anchors share


def _literal(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _literal(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_literal(one) for one in value]
    if isinstance(value, str):
        return re.sub(r"\$\{env:(\w+):-([^}]*)\}", _replacement, value)
    return value


def _replacement(found: re.Match[str]) -> str:
    # What the Operator's env sets has no default here: forgotten, it would be looked for on the pod itself.
    return _ENDPOINTS.get(found[1], f"${{env:{found[1]}}}")


def _secret(key: str) -> dict[str, Any]:
    # Optional: an Elasticsearch may have no users.
    return {"name": "elasticsearch-writer", "key": key, "optional": True}


def _image() -> str:
    compose = yaml.safe_load((COLLECTOR / "docker-compose.yaml").read_text(encoding="utf-8"))
    return str(compose["services"]["otelcol"]["image"])


def _resources(cpu: str, memory: str, limit: str) -> dict[str, Any]:
    # No CPU limit: it would hold telemetry back just when there is much of it.
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": limit}}


def _resource(name: str, specification: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "opentelemetry.io/v1beta1",
        "kind": "OpenTelemetryCollector",
        "metadata": {"name": name, "namespace": _NAMESPACE},
        "spec": {
            "image": _image(),
            # The configuration is for this version of the Collector, whatever the Operator's own is.
            "upgradeStrategy": "none",
            "podSecurityContext": {
                "runAsUser": _USER,
                "runAsGroup": _USER,
                "fsGroup": _USER,
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "terminationGracePeriodSeconds": 30,
            **specification,
            "config": config,
        },
    }


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _dump(document: dict[str, Any]) -> str:
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120))


if __name__ == "__main__":
    for file, text in documents().items():
        (HERE / file).write_text(text, encoding="utf-8")
