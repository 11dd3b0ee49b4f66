"""Requests and answers as the bytes that they are on the wire."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from typing import Any

IDS = (b"date:", b"x-bentoml-trace-id:", b"x-bentoml-request-id:", b"x-prediction-id:")
"""What begins the header lines that may differ: the time, and the ids of the request."""


@dataclass(frozen=True)
class Raw:
    """One request; `kind` is the test's name for it."""

    kind: str
    path: str
    body: bytes = b""
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()
    chunked: bool = False

    def bytes(self) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", "host: service", "connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        body = self.body
        if self.chunked:
            lines.append("transfer-encoding: chunked")
            half = len(body) // 2
            parts = [part for part in (body[:half], body[half:]) if part]
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        elif body or self.method == "POST":
            lines.append(f"content-length: {len(body)}")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def answer(port: int, request: Raw, timeout: float = 30.0) -> tuple[list[bytes], bytes]:
    """The lines of the head, those with ids and times left out, and everything after it, chunk sizes included."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall(request.bytes())
        received = bytearray()
        while part := connection.recv(65536):
            received += part
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    return [line for line in head.split(b"\r\n") if not line.lower().startswith(IDS)], body


def call(path: str, kind: str = "", query: str = "", **fields: Any) -> Raw:
    """A call of an API with a JSON object."""
    body = json.dumps(fields).encode()
    return Raw(kind or path, path + query, body, headers=(("content-type", "application/json"),))


def body(path: str, kind: str, data: bytes, content_type: str = "application/json", **options: Any) -> Raw:
    """A call with a body of any kind."""
    return Raw(kind, path, data, headers=(("content-type", content_type),), **options)


@dataclass(frozen=True)
class Part:
    """A part of a multipart body; a file where it has a file name."""

    name: str
    data: bytes
    file: str = ""
    content_type: str = ""
    headers: tuple[str, ...] = field(default=())


def multipart(path: str, kind: str, *parts: Part) -> Raw:
    boundary = "0123456789abcdef"
    data = b""
    for part in parts:
        head = [f'content-disposition: form-data; name="{part.name}"']
        head[0] += f'; filename="{part.file}"' if part.file else ""
        if part.content_type:
            head.append(f"content-type: {part.content_type}")
        data += f"--{boundary}\r\n".encode() + "\r\n".join([*head, *part.headers]).encode() + b"\r\n\r\n"
        data += part.data + b"\r\n"
    data += f"--{boundary}--\r\n".encode()
    return body(path, kind, data, f"multipart/form-data; boundary={boundary}")
