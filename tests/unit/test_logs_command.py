"""What `bento-observe logs` takes, and what it says where there is nothing to ask."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from standin import Quiet, serving

from bento_observe.cli import main
from bento_observe.stack._http import get_json, send_json, without_password
from bento_observe.stack.logs import of_service, of_trace, trace_id_of

TRACE = "0af7651916cd43dd8448eb211c80319c"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["logs", *arguments])


@pytest.fixture
def asked() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A stand-in for an Elasticsearch with a password and no records: its URL, and what it was asked."""
    requests: list[dict[str, Any]] = []

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            known = self.headers["authorization"] == "Basic ZWxhc3RpYzpww6Q6cy8="  # elastic:pä:s/
            requests.append(body)
            answer = json.dumps({"hits": {"hits": []}} if known else {"error": "unauthorized"}).encode()
            self.send_response(200 if known else 401)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    with serving(Handler) as url:
        yield url.removeprefix("http://"), requests


@pytest.mark.parametrize(
    "text",
    [
        TRACE,
        TRACE.upper(),
        "0af76519-16cd-43dd-8448-eb211c80319c",
        f" {TRACE}\n",
        f"00-{TRACE}-b7ad6b7169203331-01",
    ],
)
def test_a_trace_id_is_taken_as_people_have_it(text: str) -> None:
    """In any letter case, with dashes, out of a header."""
    assert trace_id_of(text) == TRACE


@pytest.mark.parametrize("text", ["", "xyz", TRACE + "0", "-", "a b", "*"])
def test_what_is_no_trace_id_is_refused(text: str) -> None:
    """And not sent to Elasticsearch, where it could mean anything."""
    with pytest.raises(ValueError, match="no trace id"):
        trace_id_of(text)
    assert run("--trace", text).exit_code == 2


def test_the_beginning_of_a_trace_id_is_enough() -> None:
    """A whole one is looked up as it is."""
    assert of_trace("0af7") == "trace_id:0af7*"
    assert of_trace(TRACE) == f"trace_id:{TRACE}"


def test_no_character_of_a_service_name_is_part_of_the_query() -> None:
    """Quotes and backslashes stay within the quotes."""
    assert of_service('a"b\\ OR *') == r'resource.attributes.service.name:"a\"b\\ OR *"'


@pytest.mark.parametrize("text", ["10", "m", "10 m", "-5m", "1h-30m", "tomorrow", ""])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """With what it could look like."""
    result = run("--since", text)
    assert result.exit_code == 2
    assert "write it as 10m" in result.output


def test_all_options_together_are_one_question(asked: tuple[str, list[dict[str, Any]]]) -> None:
    """Each narrows it down; name and password go as a header, whatever characters they have."""
    address, requests = asked
    result = run(
        "--url", f"http://elastic:p%C3%A4:s%2F@{address}/", "--trace", TRACE, "--errors", "--slow", "0.5",
        "--service", "wine", "--since", "1h30m", "--limit", "7",
    )  # fmt: skip
    assert (result.exit_code, result.output) == (0, "no such records\n")
    (body,) = requests
    *queries, since = body["query"]["bool"]["filter"]
    assert [query["query_string"]["query"] for query in queries] == [
        f"trace_id:{TRACE}",
        "severity_number:>=17 OR attributes.http.response.status_code:>=500",
        "attributes.http.server.request.duration:>=0.5",
        'resource.attributes.service.name:"wine"',
    ]
    assert "gte" in since["range"]["@timestamp"]
    assert body["size"] == 7


def test_a_trace_is_looked_for_in_all_that_is_kept(asked: tuple[str, list[dict[str, Any]]]) -> None:
    """Unless told otherwise; without a trace the last hour is meant."""
    address, requests = asked
    url = f"http://elastic:p%C3%A4:s%2F@{address}"
    run("--url", url, "--trace", TRACE)
    run("--url", url)
    first, second = (body["query"]["bool"]["filter"] for body in requests)
    assert [list(one) for one in first] == [["query_string"]]
    assert [list(one) for one in second] == [["range"]]


def test_a_wrong_password_is_one_line_that_does_not_tell_it(asked: tuple[str, list[dict[str, Any]]]) -> None:
    """Status and address are there, name and password are not."""
    result = run("--url", f"http://elastic:secret@{asked[0]}")
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith("Error: ")
    assert "401" in line
    assert "secret" not in line


def test_where_nothing_runs_the_remedy_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback, exit status 1."""
    monkeypatch.delenv("ELASTICSEARCH_URL", raising=False)
    result = run("--data-dir", str(tmp_path))
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert "bento-observe stack up" in line
    assert "--url" in line


def test_nobody_at_an_address_is_one_line() -> None:
    """With the address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = run("--url", f"http://me:secret@{address}")
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert address in line
    assert "secret" not in line


@pytest.mark.parametrize(
    "url",
    [
        "http://", "no url", "http://a:b:c:d", "ftp://me:secret@localhost", "me:secret@localhost:1", "http://[",
        "http://me:se/secret@localhost", "http://me:1/secret@localhost", "http://me:se#secret@localhost",
        "http://me:se?secret@localhost:9200", "http://localhost:secret",
    ],
)  # fmt: skip
def test_what_is_no_url_is_one_line(url: str) -> None:
    """No traceback, and nothing of what was given: a password of which a character is not encoded may be in it."""
    result = run("--url", url)
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert "percent-encoded" in line
    assert "secret" not in line


@pytest.mark.parametrize(
    "url",
    [
        "http://me:secret@localhost:9200/a", "http://me:sec/ret:secret@localhost:9200/a", "me:secret@localhost:9200/a",
        "HTTPS://me:a@secret@localhost:9200/a", "http://me:\nsecret@localhost:9200/a", "http://localhost:9200/a",
    ],
)  # fmt: skip
def test_no_part_of_a_password_is_shown(url: str) -> None:
    """Whatever characters it has, and without a scheme."""
    shown = without_password(url)
    assert "secret" not in shown
    assert shown.endswith("localhost:9200/a")


@pytest.mark.parametrize("url", ["http://me:se/cret@[::x]", "http://me:1x/cret@localhost"])
def test_an_error_of_a_request_does_not_tell_the_url_as_it_is(url: str) -> None:
    """Nor does that of the library below."""
    with pytest.raises(OSError, match="no URL") as caught:
        get_json(url)
    assert "cret" not in str(caught.value)


def test_an_at_sign_in_a_path_is_asked_for(asked: tuple[str, list[dict[str, Any]]]) -> None:
    """It ends no password there; only what is shown is shorter."""
    with pytest.raises(OSError, match="401"):
        send_json("POST", f"http://elastic:secret@{asked[0]}/a@b", {"asked": "here"})
    assert asked[1] == [{"asked": "here"}]
