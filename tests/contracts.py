"""Where tests find captured and published samples of what the outside world sends."""

from __future__ import annotations

from pathlib import Path

import pytest

CONTRACTS = Path(__file__).resolve().parents[2] / "shared" / "contracts"


def contract(name: str) -> Path:
    """A file or folder of the samples; skips the test when there are none beside this checkout."""
    path = CONTRACTS / name
    if not path.exists():
        pytest.skip(f"the sample {name} is absent: ../shared/contracts is not part of the repository")
    return path


def read_http(file: Path) -> tuple[dict[str, str], bytes]:
    """Headers, as a WSGI server decodes them (Latin-1), and body of a captured HTTP request."""
    head, _, body = file.read_bytes().partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines), body
