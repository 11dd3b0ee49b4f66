"""The manifests of `deploy/kubernetes`: valid by the schemas of Kubernetes and of the OpenTelemetry Operator, and in
step with the Collector's configuration."""

from __future__ import annotations

import copy
import json
import os
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
OPERATOR = "github.com/open-telemetry/opentelemetry-operator"
OPERATOR_VERSION = "v0.140.0"
OPERATOR_SUMS = f"""\
{OPERATOR} {OPERATOR_VERSION} h1:yHwVEn1vjQ7n9OoOZX/rsgur+YozIKNjCoWSk6EAhvw=
{OPERATOR} {OPERATOR_VERSION}/go.mod h1:nKfUDuzcjmnBAW/8aYHtGmxiZzm+MUM06eL0v9IeBIE=
"""
CRD = "config/crd/bases/opentelemetry.io_opentelemetrycollectors.yaml"
COLLECTORS = ("agent.yaml", "gateway.yaml")


def _documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((KUBERNETES / name).read_text(encoding="utf-8")))


def _bento() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The Deployment, its container, the Service."""
    deployment, service = _documents("bento.yaml")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return deployment, container, service


def _collector(name: str) -> dict[str, Any]:
    (document,) = _documents(name)
    found: dict[str, Any] = document["spec"]
    return found


def _shared() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "collector" / "config.yaml").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("version", ["1.31.0", "1.37.0"])
def test_the_bento_is_valid_kubernetes(version: str) -> None:
    """By the published schemas, unknown fields refused."""
    for document in _documents("bento.yaml"):
        kubernetes_validate.validate(document, version, strict=True)
    broken = copy.deepcopy(_documents("bento.yaml")[0])
    broken["spec"]["template"]["spec"]["containers"][0]["resource"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, version, strict=True)


def test_the_service_finds_the_pods_and_the_probes_their_port() -> None:
    """Selectors, labels and named ports are the same."""
    deployment, container, service = _bento()
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"] == labels
    named = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= named
    probes = {name: container[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert {probe["port"] for probe in probes.values()} <= named
    assert probes["readinessProbe"]["path"] == "/readyz"


def test_a_bento_sends_to_the_agent_of_its_node() -> None:
    """The address is the node's, the port one that the agent has opened there; variables come before their use."""
    _, container, _ = _bento()
    names = [one["name"] for one in container["env"]]
    values = {one["name"]: one.get("value") for one in container["env"]}
    fields = {one["name"]: one["valueFrom"]["fieldRef"]["fieldPath"] for one in container["env"] if "valueFrom" in one}
    for position, name in enumerate(names):
        assert set(re.findall(r"\$\((\w+)\)", values[name] or "")) <= set(names[:position])
    address, _, port = values["OTEL_EXPORTER_OTLP_ENDPOINT"].removeprefix("http://").rpartition(":")
    assert fields[address.strip("$()")] == "status.hostIP"
    open_on_the_node = {one["hostPort"]: one["name"] for one in _collector("agent.yaml")["ports"]}
    assert open_on_the_node[int(port)] == "otlp-grpc"
    attributes = dict(pair.split("=") for pair in values["OTEL_RESOURCE_ATTRIBUTES"].split(","))
    assert attributes["k8s.pod.name"] == "$(POD_NAME)"


def test_all_that_runs_has_its_memory_limited_and_no_privileges() -> None:
    """The Collector's own limit is below that of its container, so that it refuses before it is killed."""
    _, container, _ = _bento()
    assert container["resources"]["limits"]["memory"]
    sizes = {"Mi": 1, "Gi": 1024}
    limiter = _shared()["processors"]["memory_limiter"]["limit_mib"]
    for name in COLLECTORS:
        spec = _collector(name)
        limit = spec["resources"]["limits"]["memory"]
        assert int(limit[:-2]) * sizes[limit[-2:]] > limiter
        assert spec["podSecurityContext"]["runAsNonRoot"]
    for context in (container["securityContext"], *(_collector(name)["securityContext"] for name in COLLECTORS)):
        assert context == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_the_collectors_are_generated_from_the_one_configuration() -> None:
    """agent.yaml and gateway.yaml equal what generate.py writes today."""
    generated = runpy.run_path(str(KUBERNETES / "generate.py"))["documents"]()
    assert set(generated) == set(COLLECTORS)
    for name, text in generated.items():
        assert (KUBERNETES / name).read_text(encoding="utf-8") == text, name


def test_the_gateway_is_the_collector_of_the_stack() -> None:
    """Its exporters, queues and processors, but for addresses; nothing of it gives up or forgets."""
    shared, gateway = _shared(), _collector("gateway.yaml")["config"]

    def without_addresses(config: dict[str, Any]) -> Any:
        return re.sub(r"\$\{env:(\w+):-[^}]*\}", r"${env:\1}", json.dumps(config, sort_keys=True))

    assert without_addresses(gateway["exporters"]) == without_addresses(shared["exporters"])
    for name, processor in gateway["processors"].items():
        assert processor == shared["processors"][name]
    pipelines = {name: one for name, one in shared["service"]["pipelines"].items() if name != "metrics/host"}
    assert gateway["service"]["pipelines"] == pipelines


def test_the_agent_keeps_what_it_took_on_the_disk_of_the_node() -> None:
    """The same queue as the gateway's, and every pipeline ends there."""
    spec = _collector("agent.yaml")
    (exporter,) = spec["config"]["exporters"].values()
    shared = _shared()["exporters"]["otlp_grpc/jaeger"]
    assert exporter["sending_queue"] == shared["sending_queue"]
    assert exporter["retry_on_failure"] == shared["retry_on_failure"]
    directory = spec["config"]["extensions"]["file_storage"]["directory"]
    mounts = {mount["mountPath"]: mount["name"] for mount in spec["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert "hostPath" in volumes[mounts[directory]]
    pipelines = spec["config"]["service"]["pipelines"]
    assert set(pipelines) == {"traces", "metrics", "metrics/host", "logs"}
    assert {tuple(pipeline["exporters"]) for pipeline in pipelines.values()} == {("otlp_grpc/gateway",)}
    root = spec["config"]["receivers"]["host_metrics"]["root_path"]
    assert {f"{root}/proc", f"{root}/sys"} <= set(mounts)


def test_the_agent_does_not_take_its_pods_network_for_the_nodes() -> None:
    """It has a network of its own, so that is all that it could read; of the rest it sends what others send."""
    spec = _collector("agent.yaml")
    assert not spec.get("hostNetwork")
    scrapers = spec["config"]["receivers"]["host_metrics"]["scrapers"]
    assert scrapers.keys() == _shared()["receivers"]["host_metrics"]["scrapers"].keys() - {"network"}


def test_every_variable_that_a_collector_reads_is_set() -> None:
    """There are no defaults to fall back to: in a pod they would be wrong."""
    for name in COLLECTORS:
        spec = _collector(name)
        text = json.dumps(spec["config"])
        assert set(re.findall(r"\$\{env:(\w+)\}", text)) == {one["name"] for one in spec["env"]}
        assert ":-" not in text


def _closed(schema: Any) -> Any:
    """The schema of a custom resource as JSON Schema, that knows no fields but its own."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items() if not str(key).startswith("x-kubernetes")}
    keeps = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not keeps:
        closed.setdefault("additionalProperties", False)
    return closed


@pytest.fixture(scope="module")
def operator_schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The schema of `OpenTelemetryCollector`, from the Operator's own Go module, checked by its sums."""
    go = shutil.which("go")
    directory = tmp_path_factory.mktemp("operator")
    (directory / "go.mod").write_text(f"module check\n\ngo 1.24\n\nrequire {OPERATOR} {OPERATOR_VERSION}\n")
    (directory / "go.sum").write_text(OPERATOR_SUMS)
    command = [go or "go", "mod", "download", "-json", f"{OPERATOR}@{OPERATOR_VERSION}"]
    try:
        result = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        reason = f"the Operator's schema cannot be had: {error} {getattr(error, 'stdout', '')}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    crd = yaml.safe_load(Path(json.loads(result.stdout)["Dir"], CRD).read_text(encoding="utf-8"))
    (version,) = [one for one in crd["spec"]["versions"] if one["name"] == "v1beta1"]
    found: dict[str, Any] = _closed(version["schema"]["openAPIV3Schema"]["properties"]["spec"])
    return found


def test_the_collectors_are_valid_for_the_operator(operator_schema: dict[str, Any]) -> None:
    """By the custom resource's own schema, unknown fields refused."""
    validator = jsonschema.Draft202012Validator(operator_schema)
    for name in COLLECTORS:
        assert [error.message for error in validator.iter_errors(_collector(name))] == [], name
    spec = _collector("agent.yaml")
    spec["mode"], spec["volume"] = "daemon", []
    assert len(list(validator.iter_errors(spec))) == 2
