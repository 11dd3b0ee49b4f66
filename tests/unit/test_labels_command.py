"""`bento-observe labels`: files of every kind are sent whole, once, and from where an interrupted run ended."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from bento_observe.cli import labels as command
from bento_observe.cli import main

ROWS = [(f"id {number}", number % 3) for number in range(2500)]


class Service:
    """Stands in for a service: keeps what it is sent; `fail` are the statuses of the next answers."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Any, Any]] = []
        self.fail: list[int] = []
        self.refused: dict[str, int] = {}
        self.headers: list[dict[str, str]] = []
        self.fault: dict[str, Any] = {"error": "no"}
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status = service.fail.pop(0) if service.fail else 200
                service.headers.append(dict(self.headers))
                if status == 200:
                    service.pairs += zip(body["ids"], body["labels"], strict=True)
                    answer = {"matched": len(body["ids"]), "refused": service.refused}
                else:
                    answer = service.fault
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    found = Service()
    yield found
    found.close()


def run(path: Path, service: Service, *options: str) -> Result:
    return CliRunner().invoke(main, ["labels", str(path), "--url", service.url, *options])


def write(path: Path, rows: list[tuple[Any, Any]]) -> Path:
    if path.suffix == ".parquet":
        pd.DataFrame(rows, columns=["id", "label"]).to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"id": one, "label": label}) + "\n" for one, label in rows))
    else:
        with path.open("w", newline="") as file:
            csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([("id", "label"), *rows])
    return path


@pytest.mark.parametrize("kind", [".parquet", ".csv", ".tsv", ".jsonl"])
def test_every_row_of_a_file_is_sent_in_order(tmp_path: Path, service: Service, kind: str) -> None:
    """And a second run sends nothing."""
    path = write(tmp_path / f"labels{kind}", ROWS)
    result = run(path, service)
    assert (result.exit_code, service.pairs) == (0, ROWS), result.output
    assert "2,500 labels matched." in result.output
    again = run(path, service)
    assert again.exit_code == 0
    assert "2,500 rows had been sent before." in again.output
    assert len(service.pairs) == 2500
    assert run(path, service, "--restart").exit_code == 0
    assert len(service.pairs) == 5000


def test_an_interrupted_run_goes_on_where_it_was(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that is busy is asked again; one that refuses ends the run, and what was sent is not sent twice."""
    monkeypatch.setattr(command.time, "sleep", lambda _: None)
    path = write(tmp_path / "labels.csv", ROWS)
    service.fail = [503, 429, 200, 403]
    result = run(path, service)
    assert result.exit_code == 1
    assert "1,000 rows are sent" in result.output
    assert run(path, service).exit_code == 0
    assert service.pairs == ROWS


def test_another_file_of_the_name_begins_anew(tmp_path: Path, service: Service) -> None:
    """What was noted is of a file as it was."""
    path = write(tmp_path / "labels.csv", ROWS)
    run(path, service)
    write(path, ROWS[:7])
    run(path, service)
    assert service.pairs == ROWS + ROWS[:7]


def test_cells_are_the_labels_they_look_like(tmp_path: Path, service: Service) -> None:
    """Numbers are numbers; what only looks like one stays text; nothing is nothing."""
    path = tmp_path / "labels.csv"
    path.write_text("when,key,truth\n1,a,1\n1,b,-2.5e3\n1,c,007\n1,d,spam\n1,e,\n1,f,NaN\n")
    assert run(path, service, "--id", "key", "--label", "truth").exit_code == 0
    assert service.pairs == [("a", 1), ("b", "-2.5e3"), ("c", "007"), ("d", "spam"), ("e", None), ("f", "NaN")]


def test_cells_that_would_not_come_back_stay_text(tmp_path: Path, service: Service) -> None:
    """A class may be called 1.10; truth values are written in as many ways as there are languages."""
    path = tmp_path / "labels.csv"
    cells = {
        "True": True, "FALSE": False, "true": True, "1.10": "1.10", "1e5": "1e5", "1.0": 1.0, "-0": "-0", "12.5": 12.5,
        "1e999": "1e999", "12345678901234567890": 12345678901234567890, "0.10000000000000001": "0.10000000000000001",
    }  # fmt: skip
    path.write_text("id,label\n" + "".join(f"{cell},{cell}\n" for cell in cells))
    assert run(path, service).exit_code == 0
    assert [(one, type(one)) for _, one in service.pairs] == [(one, type(one)) for one in cells.values()]


def test_refused_labels_are_told_by_reason(tmp_path: Path, service: Service) -> None:
    """Duplicates are nobody's fault, anything else is an exit status."""
    service.refused = {"duplicate": 3}
    assert run(write(tmp_path / "a.csv", ROWS[:5]), service).exit_code == 0
    service.refused = {"expired": 2}
    result = run(write(tmp_path / "b.csv", ROWS[:5]), service)
    assert result.exit_code == 1
    assert "2 refused: expired" in result.output


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.csv", "x,y\n1,2\n", "there is no column 'id'"),
        ("a.csv", "", "there is no column 'id'"),
        ("a.jsonl", '{"id": 1}\n{\n', "line 2 is no JSON"),
        ("a.jsonl", "[1]\n", "line 1 is no object"),
        ("a.parquet", "no parquet", "Parquet"),
        ("a.txt", "x", "ends in none of"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, service: Service, name: str, content: str, fault: str) -> None:
    """In one line, without a traceback."""
    (tmp_path / name).write_text(content)
    result = run(tmp_path / name, service)
    assert result.exit_code in (1, 2)
    assert fault in result.output
    assert "Traceback" not in result.output


def test_a_service_that_takes_no_labels_is_told(tmp_path: Path, service: Service) -> None:
    """With what to do."""
    service.fail = [404]
    result = run(write(tmp_path / "a.csv", ROWS[:5]), service)
    assert "observe the service with labels=True" in result.output


def test_headers_are_those_of_the_command_line_or_of_the_environment(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a middleware that authenticates; a secret need not be where all users of a machine see it."""
    path = write(tmp_path / "labels.csv", ROWS[:5])
    service.fail = [401]
    assert "with --header" in run(path, service).output
    assert run(path, service, "--header", "Authorization: Bearer a:b", "--header", "x-team:ml").exit_code == 0
    monkeypatch.setenv("BENTO_OBSERVE_LABEL_HEADERS", "authorization: Basic YTpi\n")
    assert run(path, service, "--restart").exit_code == 0
    seen = [{name.lower(): value for name, value in headers.items()} for headers in service.headers]
    assert [headers.get("authorization") for headers in seen] == [None, "Bearer a:b", "Basic YTpi"]
    assert [headers.get("x-team") for headers in seen] == [None, "ml", None]
    bad = run(path, service, "--header", "Bearer secret")
    assert (bad.exit_code, "write it as NAME:VALUE" in bad.output) == (2, True)


def test_what_was_matched_before_the_rest_was_sent_again_is_no_duplicate(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that was busy half way has told how many it has."""
    monkeypatch.setattr(command.time, "sleep", lambda _: None)
    service.fail, service.fault, service.refused = [503], {"matched": 3, "refused": {"busy": 2}}, {"duplicate": 3}
    output = run(write(tmp_path / "labels.csv", ROWS[:5]), service).output
    assert "8 labels matched." in output  # the stand-in says that it has matched all five
    assert "refused" not in output
