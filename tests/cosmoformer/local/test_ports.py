"""The ports of a system that others have already."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.surroundings import free_ports
from cosmoformer.errors import SettingsError
from cosmoformer.local.ports import check_ports, other_ports
from cosmoformer.local.process import free_port, port_is_free, start_process, stop_process
from cosmoformer.local.supervisor import Supervisor
from cosmoformer.settings import Settings, load
from tests.e2e.running_system import wait_until


@pytest.fixture
def settings() -> Settings:
    return load({}, **{name.lower(): int(port) for name, port in free_ports().items()})


def test_all_taken_ports_are_told_at_once(tmp_path: Path, settings: Settings) -> None:
    """The message names every port that is taken, with its setting, and a command line with free ones instead."""
    check_ports(settings, tmp_path, Supervisor(tmp_path, print), own_store=True)
    taken = ("STORE_PORT", "PAGE_PORT", "MLFLOW_PORT")
    with ExitStack() as stack:
        for name in taken:
            stack.enter_context(socket.create_server(("127.0.0.1", getattr(settings, name.lower()))))
        with pytest.raises(SettingsError) as caught:
            check_ports(settings, tmp_path, Supervisor(tmp_path, print), own_store=True)
    assert all(f"{getattr(settings, name.lower())} ({name})" in caught.value.detail for name in taken)
    assert "INGEST_PORT" not in str(caught.value)
    words = caught.value.mend.partition("`")[2].removesuffix(" cosmoformer up`").split()
    instead = dict(word.split("=") for word in words)
    assert set(instead) == set(taken)
    assert all(port_is_free(int(port)) for port in instead.values())


def test_ports_of_an_earlier_run_are_not_taken(tmp_path: Path, settings: Settings) -> None:
    """A server that an earlier run of this folder left behind will be ended, and is no obstacle; in a copied folder it is."""
    supervisor = Supervisor(tmp_path, print)
    argv = [sys.executable, "-m", "http.server", str(settings.page_port), "--bind", "127.0.0.1"]
    child = start_process(argv, log=tmp_path / "log", env=os.environ, record=supervisor.record("page"))
    try:
        wait_until(lambda: not port_is_free(settings.page_port), 30, "the server listens")
        check_ports(settings, tmp_path, supervisor, own_store=True)
        copied = Supervisor(tmp_path / "copy", print)
        copied.record("page").parent.mkdir(parents=True)
        copied.record("page").write_text(supervisor.record("page").read_text())
        with pytest.raises(SettingsError, match="PAGE_PORT"):
            check_ports(settings, tmp_path / "copy", copied, own_store=True)
    finally:
        stop_process(child)


def test_a_store_elsewhere_needs_no_port(tmp_path: Path, settings: Settings) -> None:
    """The port of the local store may be taken when another store is used."""
    with socket.create_server(("127.0.0.1", settings.store_port)):
        check_ports(settings, tmp_path, Supervisor(tmp_path, print), own_store=False)


def test_other_ports_are_moved_together() -> None:
    """The suggested ports keep their distances."""
    first = free_port()
    moved = other_ports({"a": first, "b": first + 1})
    assert moved["b"] == moved["a"] + 1
    assert (moved["a"] - first) % 100 == 0 and moved["a"] > first
