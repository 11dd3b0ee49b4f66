"""A certificate authority for one test: openssl makes it, and signs a server's and a client's certificate."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificates:
    """PEM files. `other_authority` signed nothing."""

    authority: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path
    other_authority: Path


def make_certificates(directory: Path) -> Certificates:
    """Fresh ones for localhost, valid for a day. The calling test is skipped where there is no openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is needed to make certificates")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=directory, check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("authority", "other"):
        run(
            "req",
            "-x509",
            *new_key,
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.pem",
            "-subj",
            f"/CN={name}",
            "-addext",
            "keyUsage=critical,keyCertSign",
            "-days",
            "1",
        )
    # Python 3.13 verifies strictly: it asks for the key identifiers, and for the authority's key usage above.
    extensions = "subjectAltName=DNS:localhost,IP:127.0.0.1\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    (directory / "extensions").write_text(extensions)
    for name in ("server", "client"):
        run("req", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-days", "1")
        run("x509", "-req", "-in", f"{name}.csr", *signed, "-extfile", "extensions", "-out", f"{name}.pem")
    return Certificates(
        directory / "authority.pem",
        directory / "server.pem",
        directory / "server.key",
        directory / "client.pem",
        directory / "client.key",
        directory / "other.pem",
    )
