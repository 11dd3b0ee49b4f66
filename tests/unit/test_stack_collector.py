"""The files in `collector/` agree with each other and with what starts the servers."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from bento_observe import semconv
from bento_observe._prediction_store import INDEX
from bento_observe.stack._assets import collector_dir
from bento_observe.stack._ports import Ports
from bento_observe.stack._recipes import recipes
from bento_observe.stack._servers import Server, servers

COLLECTOR = collector_dir()
TEMPLATES = COLLECTOR / "elasticsearch" / "templates"


def _yaml(name: str) -> Any:
    return yaml.safe_load((COLLECTOR / name).read_text(encoding="utf-8"))


def _variables(name: str) -> set[str]:
    return set(re.findall(r"\$\{env:(\w+)", (COLLECTOR / name).read_text(encoding="utf-8")))


@pytest.fixture
def native(tmp_path: Path) -> dict[str, Server]:
    """The servers as `stack up` would start them."""
    builds = {recipe.name: tmp_path / recipe.name for recipe in recipes()}
    return {server.name: server for server in servers(builds, COLLECTOR, tmp_path, Ports(), tmp_path)}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The services of docker-compose.yaml."""
    services: dict[str, Any] = _yaml("docker-compose.yaml")["services"]
    return services


def test_every_exporter_has_a_queue_on_disk_and_never_gives_up() -> None:
    """An outage of any backend loses nothing before the queue is full, and then the sender is told at once."""
    for name, exporter in _yaml("config.yaml")["exporters"].items():
        assert exporter["sending_queue"]["storage"] == "file_storage", name
        assert not exporter["sending_queue"]["block_on_overflow"], name
        if name == "elasticsearch":  # its retries are its own, and a timeout would end them
            assert exporter["timeout"] == 0
            assert exporter["retry"]["max_retries"] >= 10**9
        else:
            assert exporter["retry_on_failure"]["max_elapsed_time"] == 0, name


def test_the_memory_limiter_comes_first_everywhere() -> None:
    """No pipeline can take memory before the limiter has looked."""
    for name, pipeline in _yaml("config.yaml")["service"]["pipelines"].items():
        assert pipeline["processors"][0] == "memory_limiter", name


@pytest.mark.parametrize(
    ("server", "config", "more"),
    [("otelcol", "config.yaml", "logstash/otelcol.yaml"), ("jaeger", "jaeger/config.yaml", None)],
)
def test_every_address_in_a_configuration_is_set_natively_and_in_compose(
    native: dict[str, Server], compose: dict[str, Any], server: str, config: str, more: str | None
) -> None:
    """A variable that only one of the two sets would silently fall back to its default."""
    variables = _variables(config)
    assert variables
    assert variables - {"HOST_ROOT"} <= set(native[server].env)
    assert variables | (_variables(more) if more else set()) == set(compose[server]["environment"])


def test_no_password_of_another_elasticsearch_reaches_the_native_one(native: dict[str, Server]) -> None:
    """The user's environment may have one, for `bento-observe logs`; our node has no users."""
    assert (native["otelcol"].env["ELASTICSEARCH_USER"], native["otelcol"].env["ELASTICSEARCH_PASSWORD"]) == ("", "")


def test_the_way_through_logstash_has_the_queue_of_the_others() -> None:
    """YAML's anchors end with the file: what is written twice is the same."""
    (exporter,) = _yaml("logstash/otelcol.yaml")["exporters"].values()
    other = _yaml("config.yaml")["exporters"]["otlp_grpc/jaeger"]
    for setting in ("retry_on_failure", "sending_queue"):
        assert exporter[setting] == other[setting]


def test_prometheus_gets_the_same_flags_natively_and_in_compose(
    native: dict[str, Server], compose: dict[str, Any]
) -> None:
    """Only paths and addresses differ."""

    def flags(argv: Any) -> set[str]:
        return {re.sub(r"(config\.file|storage\.tsdb\.path|listen-address)=.*", r"\1", flag) for flag in argv}

    assert flags(native["prometheus"].argv[1:]) == flags(compose["prometheus"]["command"])


def test_every_template_names_components_that_exist() -> None:
    """Elasticsearch refuses an index template with an unknown component."""
    components = {file.stem for file in (TEMPLATES / "component").glob("*.json")}
    index_templates = list((TEMPLATES / "index").glob("*.json"))
    assert index_templates
    for file in index_templates:
        assert set(json.loads(file.read_text(encoding="utf-8"))["composed_of"]) <= components


def test_predictions_come_to_the_data_stream_that_they_are_looked_up_in() -> None:
    """By the event's name; its template has the types of what is asked for."""
    statements = _yaml("config.yaml")["processors"]["transform/logs"]["log_statements"]
    routed = re.escape('set(log.attributes["elasticsearch.index"], "STREAM") where log.event_name == "NAME"')
    routed = routed.replace("STREAM", "(.*)").replace("NAME", semconv.EVENT_PREDICTION)
    (stream,) = (found[1] for one in statements if (found := re.fullmatch(routed, one)))
    assert fnmatch(stream, INDEX)
    template = json.loads((TEMPLATES / "index" / "bento-observe-predictions.json").read_text(encoding="utf-8"))
    assert any(fnmatch(stream, pattern) for pattern in template["index_patterns"])
    fields = json.loads((TEMPLATES / "component" / "bento-observe-logs.json").read_text(encoding="utf-8"))
    types = fields["template"]["mappings"]["properties"]["attributes"]["properties"]
    assert {name: types[name]["type"] for name in types if name.startswith(("ml.", "bentoml."))} == {
        semconv.ML_PREDICTION_ID: "keyword",
        semconv.ML_PREDICTION_TYPE: "keyword",
        semconv.ML_PREDICTION_CLASS: "keyword",
        semconv.ML_PREDICTION_VALUE: "double",
        semconv.ML_PREDICTION_CONFIDENCE: "double",
        semconv.ML_PREDICTION_CLASSES: "long",
        semconv.ML_MODEL_NAME: "keyword",
        semconv.ML_MODEL_VERSION: "keyword",
        semconv.API_NAME: "keyword",
    }
    roles = COLLECTOR / "elasticsearch" / "security" / "roles"
    for role in ("writer", "labels"):
        (rights,) = json.loads((roles / f"bento-observe-{role}.json").read_text(encoding="utf-8"))["indices"]
        assert any(fnmatch(stream, pattern) for pattern in rights["names"])


def test_logs_are_kept_as_long_as_metrics(compose: dict[str, Any]) -> None:
    """No data stream grows without end where Elasticsearch has the service that deletes."""
    (kept,) = (
        flag.rpartition("=")[2] for flag in compose["prometheus"]["command"] if flag.startswith("--storage.tsdb.reten")
    )
    for file in (TEMPLATES / "index").glob("*.json"):
        template = json.loads(file.read_text(encoding="utf-8"))["template"]
        assert template["lifecycle"]["data_retention"] == kept, file.name


def test_the_generated_program_has_what_the_manifest_lists() -> None:
    """builder.yaml, components.go and go.mod say the same."""
    manifest = _yaml("otelcol/builder.yaml")
    module = (COLLECTOR / "otelcol" / "go.mod").read_text(encoding="utf-8")
    program = "".join(
        (COLLECTOR / "otelcol" / f"{name}.go").read_text(encoding="utf-8") for name in ("components", "main")
    )
    kinds = ("receivers", "processors", "exporters", "connectors", "extensions", "providers")
    listed = [entry["gomod"] for kind in kinds for entry in manifest[kind]]
    assert len(listed) > 20
    for entry in listed:
        assert f"\t{entry}\n" in module
        assert f'"{entry.split()[0]}"' in program


def test_the_launcher_is_of_the_version_that_is_announced() -> None:
    """The pom decides which Elasticsearch is fetched; the recipe names it."""
    pom = (COLLECTOR / "elasticsearch" / "launcher" / "pom.xml").read_text(encoding="utf-8")
    (recipe,) = (recipe for recipe in recipes() if recipe.name == "elasticsearch")
    assert f"<elasticsearch.version>{recipe.version}</elasticsearch.version>" in pom
