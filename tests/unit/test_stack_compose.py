"""What docker-compose.yaml promises. No container is started; `docker compose config` reads it where there is one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bento_observe.stack import write_passwords
from bento_observe.stack._assets import collector_dir
from bento_observe.stack._recipes import recipes

COLLECTOR = collector_dir()
FILE = COLLECTOR / "docker-compose.yaml"
TEXT = FILE.read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = DOCUMENT["services"]

_ENDS = "service_completed_successfully"
ONE_SHOT = {
    name
    for service in SERVICES.values()
    for name, how in service.get("depends_on", {}).items()
    if how["condition"] == _ENDS
} | {"kibana-objects"}
SERVERS = set(SERVICES) - ONE_SHOT


def _after(name: str) -> set[str]:
    """Everything that is ready before a service is started."""
    direct = set(SERVICES[name].get("depends_on", {}))
    return direct.union(*(_after(one) for one in direct))


def test_the_whole_stack_is_there() -> None:
    """And Logstash only where it is asked for."""
    wanted = {"otelcol", "prometheus", "alertmanager", "jaeger", "elasticsearch", "kibana", "grafana"}
    assert wanted <= {name for name, service in SERVICES.items() if "profiles" not in service}
    assert {name for name, service in SERVICES.items() if "profiles" in service} == {"logstash"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_of_a_fixed_version(name: str) -> None:
    """`latest` is another one tomorrow."""
    assert re.fullmatch(r"[a-z0-9/.-]+:v?\d+\.\d+(\.\d+)?", SERVICES[name]["image"])


def test_the_versions_are_those_that_are_built_natively() -> None:
    """One set of versions, whichever way the stack is started; Elastic's programs are of one release."""
    for recipe in recipes():
        assert SERVICES[recipe.name]["image"].split(":")[1].lstrip("v") == recipe.version
    elastic = {SERVICES[name]["image"].split(":")[1] for name in ("elasticsearch", "kibana", "logstash", "templates")}
    assert len(elastic) == 1


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_has_a_limit_of_memory(name: str) -> None:
    """One that leaks takes nothing from the others."""
    assert re.fullmatch(r"\d+[mg]", SERVICES[name]["mem_limit"])


@pytest.mark.parametrize("name", ["elasticsearch", "logstash"])
def test_java_has_half_of_its_container(name: str) -> None:
    """At most: the rest is for what is not heap, and for the page cache."""
    options = next(value for key, value in SERVICES[name]["environment"].items() if key.endswith("JAVA_OPTS"))
    assert options == "-Xms512m -Xmx512m"
    assert _mebibytes(name) >= 1280


def _mebibytes(name: str) -> int:
    limit = SERVICES[name]["mem_limit"]
    return int(limit[:-1]) * {"m": 1, "g": 1024}[limit[-1]]


def test_the_memory_of_all_is_as_documented() -> None:
    """What ends is not counted."""
    all_of_them = sum(map(_mebibytes, SERVERS))
    text = (COLLECTOR.parent / "docs" / "operating.md").read_text(encoding="utf-8")
    found = re.search(r"to ([\d.]+) GiB in all, with Logstash to ([\d.]+) GiB", text)
    assert found is not None
    expected = [(all_of_them - _mebibytes("logstash")) / 1024, all_of_them / 1024]
    assert [float(one) for one in found.groups()] == [round(one, 1) for one in expected]


def test_alertmanager_is_given_every_setting_that_its_script_reads() -> None:
    """Those that stand in it, and those it makes of a severity and a name."""
    script = (COLLECTOR / "alertmanager" / "render.sh").read_text(encoding="utf-8")
    names = set(re.findall(r'setting "\$1" ([A-Z_]+)', script))
    assert len(names) > 5
    wanted = {f"ALERT_{severity}{name}" for severity in ("", "PAGE_", "TICKET_") for name in names}
    wanted |= set(re.findall(r"\bALERT_[A-Z_]+[A-Z]\b", script))
    assert wanted <= set(SERVICES["alertmanager"]["environment"])


def test_grafana_can_send_the_mail_that_its_contact_points_are_for() -> None:
    """By the mail server of Alertmanager; none where that has none."""
    found = {key: value for key, value in SERVICES["grafana"]["environment"].items() if key.startswith("GF_SMTP_")}
    assert found["GF_SMTP_ENABLED"] == "${ALERT_SMTP_HOST:+true}"
    assert found["GF_SMTP_HOST"] == "${ALERT_SMTP_HOST:-}"
    used = {match[1] for value in found.values() if (match := re.match(r"\$\{(\w+)", value))}
    assert used <= set(SERVICES["alertmanager"]["environment"])


def test_what_logstash_cannot_take_apart_is_not_written_as_a_log_record() -> None:
    """The whole request would be one, in a data stream of nobody."""
    pipeline = (COLLECTOR / "logstash" / "pipeline.conf").read_text(encoding="utf-8")
    output = re.sub(r"#.*", "", pipeline[pipeline.index("\noutput {") :])
    refused, written = re.split(r"\}\s*else\s*\{", output)
    assert 'if "_rubyexception" in [tags] {' in refused
    assert "elasticsearch" not in refused
    assert "elasticsearch {" in written


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_every_server_tells_its_health_and_comes_back(name: str) -> None:
    """The Collector's image has no program that could ask: another container does."""
    service = SERVICES["otelcol-health" if name == "otelcol" else name]
    assert service["healthcheck"]["test"]
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_starts_before_what_it_needs_is_ready(name: str) -> None:
    """By health, or by success of what ends; a start alone says nothing. The health of the Collector is asked for."""
    for other, how in SERVICES[name].get("depends_on", {}).items():
        expected = _ENDS if other in ONE_SHOT else "service_healthy"
        assert how["condition"] == ("service_started" if name == "otelcol-health" else expected)


def test_logs_find_users_and_templates() -> None:
    """Whoever writes or reads them comes after those are installed, which come after Elasticsearch is healthy."""
    for name in ("otelcol", "logstash", "grafana", "kibana"):
        assert {"templates", "elasticsearch"} <= _after(name), name
    assert "kibana" in _after("kibana-objects")


def test_the_data_of_every_server_outlives_its_container() -> None:
    """Each in a volume that is declared; nothing else is."""
    named = {
        volume.split(":")[0]
        for name in SERVERS
        for volume in SERVICES[name].get("volumes", [])
        if not volume.startswith((".", "/", "$"))
    }
    assert named == set(DOCUMENT["volumes"])
    assert named >= SERVERS - {"otelcol-health"}


def test_everything_is_published_on_loopback_only() -> None:
    """There is no TLS, and Prometheus, Jaeger and the Collector have no password."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) >= 9
    assert all(port.startswith("127.0.0.1:") for port in ports)
    published = [port.split(":")[1] for port in ports]
    assert len(set(published)) == len(published)
    assert "3000" not in published  # BentoML's


@pytest.mark.parametrize("name", SERVICES)
def test_every_file_that_is_mounted_is_there_and_is_not_written(name: str) -> None:
    """A missing file would be mounted as an empty directory."""
    for volume in SERVICES[name].get("volumes", []):
        if volume.startswith("."):
            source, _, mode = volume.split(":")
            assert (COLLECTOR / source).exists(), source
            assert mode == "ro"


def test_the_collector_sees_no_more_of_the_host_than_its_metrics_take() -> None:
    """Read-only, and no file of any user."""
    mounts = [volume for service in SERVICES.values() for volume in service.get("volumes", []) if volume[0] == "/"]
    root = SERVICES["otelcol"]["environment"]["HOST_ROOT"]
    assert sorted(mounts) == [f"/proc:{root}/proc:ro", f"/sys:{root}/sys:ro"]


def test_the_network_of_a_container_is_not_told_as_the_hosts() -> None:
    """What the Collector reads of /proc/net is its own container's, whichever /proc is mounted: it tells none."""
    mounted = {
        to: source for source, to, _ in (one.split(":") for one in SERVICES["otelcol"]["volumes"] if ".yaml" in one)
    }
    files = re.findall(r"--config (\S+\.yaml)", SERVICES["otelcol"]["command"].split("${")[0])
    config: dict[str, Any] = {}
    for file in files:
        config = _merged(config, yaml.safe_load((COLLECTOR / mounted[file]).read_text(encoding="utf-8")))
    (receiver,) = config["service"]["pipelines"]["metrics/host"]["receivers"]
    native = config["receivers"]["host_metrics"]
    assert config["receivers"][receiver]["scrapers"].keys() == native["scrapers"].keys() - {"network"}
    assert {**config["receivers"][receiver], "scrapers": None} == {**native, "scrapers": None}


def _merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """As the Collector merges its files: what is in both is the second one's, but for mappings, which are merged."""
    both = {
        key: _merged(first[key], second[key]) if isinstance(second[key], dict) else second[key]
        for key in first.keys() & second.keys()
    }
    return first | second | both


def test_no_password_stands_in_the_file(tmp_path: Path) -> None:
    """Each is a variable that the generated file sets; one that is missing stops compose, and none has a default."""
    made = set(write_passwords(tmp_path / ".env"))
    secret = re.compile(r"PASSWORD$|KEY$")
    values = {
        value
        for service in SERVICES.values()
        for key, value in service.get("environment", {}).items()
        if secret.search(key) and not key.startswith("ALERT_") and not value.startswith("${ALERT_")
    }
    assert len(values) >= 6
    names = {match[1] for value in values if (match := re.fullmatch(r"\$\{(\w+)(?::\?[^}]*)?\}", value))}
    assert len([value for value in values if not value.startswith("${")]) == 0
    assert names == made
    for name in made:
        assert re.search(rf"\$\{{{name}:\?", TEXT), name


def test_elasticsearch_asks_who_it_is() -> None:
    """Its own user is for the set-up; what runs all the time has a user of its own."""
    assert SERVICES["elasticsearch"]["environment"]["xpack.security.enabled"] == "true"
    users = {
        name: service["environment"].get("ELASTICSEARCH_USER", service["environment"].get("ELASTICSEARCH_USERNAME"))
        for name, service in SERVICES.items()
        if "environment" in service
    }
    assert {name for name, user in users.items() if user == "elastic"} == {"templates", "kibana-objects"}
    assert {name: user for name, user in users.items() if user not in (None, "elastic")} == {
        "kibana": "kibana_system",
        "logstash": "collector",
        "otelcol": "collector",
        "grafana": "grafana",
    }


def test_every_variable_of_a_mounted_configuration_is_set() -> None:
    """Grafana and Prometheus put nothing in the place of one that is not set, and Logstash does not start."""
    for name, files in {
        "grafana": [*(COLLECTOR / "grafana" / "provisioning").rglob("*.yaml")],
        "logstash": [COLLECTOR / "logstash" / "pipeline.conf"],
        "prometheus": [COLLECTOR / "prometheus" / "prometheus.yaml"],
    }.items():
        for file in files:
            used = set(re.findall(r"(?<!\$)\$\{?([A-Z][A-Z0-9_]{3,})\b", file.read_text(encoding="utf-8")))
            assert used <= set(SERVICES[name]["environment"]), file


@pytest.mark.parametrize(("profile", "through"), [("", ""), ("logstash", "yes"), ("others", "")])
def test_compose_reads_it(profile: str, through: str, tmp_path: Path) -> None:
    """With the generated passwords; the Collector is given the second file where that is said, not by any profile."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker compose is not installed")
    env_file = tmp_path / ".env"
    write_passwords(env_file)
    with env_file.open("a") as file:
        file.write(f"COMPOSE_PROFILES={profile}\nLOGS_THROUGH_LOGSTASH={through}\nALERT_PAGE_SLACK_CHANNEL=#ml\n")
    command = [docker, "compose", "--env-file", str(env_file), "-f", str(FILE), "config"]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_CONFIG") if name in os.environ}
    result = subprocess.run(command, capture_output=True, text=True, env=kept)
    assert result.returncode == 0, result.stderr
    read = yaml.safe_load(result.stdout)["services"]
    assert ("logstash" in read) == bool(through)
    assert ("/etc/otelcol/logstash.yaml" in read["otelcol"]["command"]) == bool(through)
    assert read["alertmanager"]["environment"]["ALERT_PAGE_SLACK_CHANNEL"] == "#ml"
