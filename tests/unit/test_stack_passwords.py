"""The passwords of the compose file: made on this machine, once, for nobody else to read; and whose they are."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import socket
import stat
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from click.testing import CliRunner
from standin import Quiet, serving

from bento_observe.cli import main
from bento_observe.stack import _assets, _passwords, compose_elasticsearch, write_passwords
from bento_observe.stack._assets import collector_dir


def _read(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_each_password_is_another_and_long_and_plain(tmp_path: Path) -> None:
    """Nothing in them means anything to a shell, to YAML or in a URL; a second file has others."""
    first, second = tmp_path / "first", tmp_path / "second"
    assert write_passwords(first) == write_passwords(second) == list(_read(first))
    values = [*_read(first).values(), *_read(second).values()]
    assert len(set(values)) == len(values) >= 10
    assert all(re.fullmatch("[0-9a-f]{32,}", value) for value in values)


def test_the_file_is_the_owners_alone(tmp_path: Path) -> None:
    """Also one that was there, for all to read."""
    path = tmp_path / ".env"
    path.write_text("COMPOSE_PROFILES=logstash")
    path.chmod(0o644)
    write_passwords(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_there_stays(tmp_path: Path) -> None:
    """The servers keep their first passwords; what is empty or missing is filled in, once."""
    path = tmp_path / ".env"
    path.write_text("COMPOSE_PROFILES=logstash\nELASTIC_PASSWORD=mine\nGRAFANA_PASSWORD=")
    added = write_passwords(path)
    assert "ELASTIC_PASSWORD" not in added
    assert "GRAFANA_PASSWORD" in added
    assert path.read_text().startswith("COMPOSE_PROFILES=logstash\nELASTIC_PASSWORD=mine\nGRAFANA_PASSWORD=\n")
    assert _read(path)["GRAFANA_PASSWORD"] != ""
    assert write_passwords(path) == []


def test_the_command_tells_names_and_no_password(tmp_path: Path) -> None:
    """And where they are; the second time, that they are there."""
    path = tmp_path / ".env"
    first, second = (CliRunner().invoke(main, ["stack", "env", "--file", str(path)]) for _ in range(2))
    assert first.exit_code == second.exit_code == 0
    assert "ELASTIC_PASSWORD" in first.output
    assert not [value for value in _read(path).values() if value in first.output]
    assert second.output == f"{path} has all passwords already\n"


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """No traceback."""
    result = CliRunner().invoke(main, ["stack", "env", "--file", str(tmp_path / "no" / ".env")])
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith("Error: ")


def test_the_elasticsearch_of_compose_is_found_by_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where somebody listens at its port; a password of one's own may have any characters."""
    path = tmp_path / ".env"
    assert compose_elasticsearch(path) is None
    path.write_text("A=1\nELASTIC_PASSWORD=mine/@:\n")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        monkeypatch.setattr(_passwords, "_PORT", listening.getsockname()[1])
        assert compose_elasticsearch(path) == f"http://elastic:mine%2F%40%3A@127.0.0.1:{_passwords._PORT}"
    assert compose_elasticsearch(path) is None


@pytest.mark.parametrize(
    ("lines", "password"),
    [
        ('ELASTIC_PASSWORD="a # b" # mine', "a # b"),
        ("export ELASTIC_PASSWORD='a'", "a"),
        ("ELASTIC_PASSWORD = a b # mine\r", "a b"),
        ("ELASTIC_PASSWORD=#a#b", "#a#b"),
        ("ELASTIC_PASSWORD=a\nELASTIC_PASSWORD=b", "b"),
        ("ELASTIC_PASSWORD=\nKIBANA_SYSTEM_PASSWORD=a", None),
        ('ELASTIC_PASSWORD=""\nKIBANA_SYSTEM_PASSWORD=a', None),
        ("ELASTIC_PASSWORD=a\nELASTIC_PASSWORD=", None),
        ("#ELASTIC_PASSWORD=a", None),
    ],
)
def test_a_file_of_ones_own_is_read_as_compose_reads_it(lines: str, password: str | None, tmp_path: Path) -> None:
    """Quotes and comments are no part of a password, and the next line is none; one that is empty is made."""
    path = tmp_path / ".env"
    path.write_text(f"A=1\n{lines}\nB=2\n", newline="")
    expected = {"A": "1", "B": "2"} | ({} if password is None else {"ELASTIC_PASSWORD": password})
    read = _passwords._values(path.read_text())
    assert {name: value for name, value in read.items() if name in ("A", "B", "ELASTIC_PASSWORD")} == expected
    assert ("ELASTIC_PASSWORD" in write_passwords(path)) == (password is None)


def test_an_installed_package_keeps_them_among_the_users_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They outlive a new installation, as the servers' volumes do; compose is told where they are, and `logs` knows."""
    package = tmp_path / "site-packages" / "bento_observe" / "_collector"
    monkeypatch.setattr(_passwords, "collector_dir", lambda: package)
    monkeypatch.setattr(_assets, "_INSTALLED", package)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "my data"))
    path = tmp_path / "my data" / "bento-observe" / "compose.env"
    result = CliRunner().invoke(main, ["stack", "env"])
    assert result.exit_code == 0, result.output
    assert _read(path)["ELASTIC_PASSWORD"]
    command = result.output.splitlines()[-1].removeprefix("start: ")
    assert shlex.split(command) == [
        "docker", "compose", "--env-file", str(path), "-f", str(package / "docker-compose.yaml"), "up", "-d",
    ]  # fmt: skip
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        monkeypatch.setattr(_passwords, "_PORT", listening.getsockname()[1])
        assert _read(path)["ELASTIC_PASSWORD"] in (compose_elasticsearch() or "")


def test_git_and_packages_leave_the_file_out() -> None:
    """It is neither committed nor in a wheel."""
    root = Path(__file__).parents[2]
    assert ".env" in (root / ".gitignore").read_text().splitlines()
    assert '".env"' in (root / "setup.py").read_text()
    assert "exclude collector/.env" in (root / "MANIFEST.in").read_text()


@pytest.fixture
def elasticsearch() -> Iterator[tuple[str, list[tuple[str, str, object]]]]:
    """A stand-in with users: its URL, and what it was told by whoever knows the password."""
    told: list[tuple[str, str, object]] = []

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            known = self.headers["authorization"] == f"Basic {base64.b64encode(b'elastic:secret').decode()}"
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if known:
                told.append((self.command, self.path, body))
            self.send_response(200 if known else 401)
            self.send_header("content-length", "0")
            self.end_headers()

    with serving(Handler) as url:
        yield url, told


def _run(script: str, url: str, password: str) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": os.environ["PATH"], "ELASTICSEARCH_URL": url,
        "ELASTICSEARCH_USER": "elastic", "ELASTICSEARCH_PASSWORD": password,
        "COLLECTOR_PASSWORD": "c1", "GRAFANA_PASSWORD": "g1", "KIBANA_SYSTEM_PASSWORD": "k1",
    }  # fmt: skip
    path = collector_dir() / "elasticsearch" / script
    return subprocess.run(["sh", str(path)], env=env, capture_output=True, text=True)


def test_each_program_gets_a_user_that_may_do_what_it_does_and_no_more(
    elasticsearch: tuple[str, list[tuple[str, str, object]]],
) -> None:
    """The Collector writes and does not read, Grafana reads and does not write; roles come before users."""
    url, told = elasticsearch
    result = _run("security/install.sh", url, "secret")
    assert result.returncode == 0, result.stderr
    roles = {path.rpartition("/")[2]: body for _, path, body in told if "/role/" in path}
    users = {path: body for _, path, body in told if "/user/" in path}
    assert [path for _, path, _ in told] == [*(f"/_security/role/{name}" for name in roles), *users]
    assert users == {
        "/_security/user/collector": {"roles": ["bento-observe-writer"], "password": "c1"},
        "/_security/user/grafana": {"roles": ["bento-observe-reader"], "password": "g1"},
        "/_security/user/kibana_system/_password": {"password": "k1"},
    }
    rights = {name: set(role["indices"][0]["privileges"]) for name, role in roles.items()}  # type: ignore[index]
    assert rights == {
        "bento-observe-writer": {"auto_configure", "create_doc"},
        "bento-observe-reader": {"read", "view_index_metadata"},
        "bento-observe-labels": {"read"},
    }


@pytest.mark.parametrize("script", ["security/install.sh", "templates/install.sh"])
def test_a_wrong_password_fails_the_script(
    script: str, elasticsearch: tuple[str, list[tuple[str, str, object]]]
) -> None:
    """What waits for it does not start."""
    url, told = elasticsearch
    assert _run(script, url, "wrong").returncode != 0
    assert told == []


def test_the_templates_are_installed_where_there_are_users(
    elasticsearch: tuple[str, list[tuple[str, str, object]]],
) -> None:
    """With the password, which without users is not needed; components first."""
    url, told = elasticsearch
    assert _run("templates/install.sh", url, "secret").returncode == 0
    kinds = [path.split("/")[1] for _, path, _ in told]
    assert kinds == ["_component_template"] * 2 + ["_index_template"] * 3
