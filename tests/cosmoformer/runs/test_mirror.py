"""Live tracking of a run that grows, with a real MLflow server that comes and goes."""

from __future__ import annotations

import logging
import shutil
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cosmoformer.errors import RegistryUnavailable
from cosmoformer.local.process import free_port
from cosmoformer.models.registry import Registry
from cosmoformer.runs.mirror import Mirror
from cosmoformer.settings import load
from tests.cosmoformer.recorded_runs import points_in_mlflow, recorded, run_in_mlflow, runs_of
from tests.cosmoformer.runs.test_importing import assert_whole
from training.loop.record import RunRecord

EVERY_S = 0.2
PATIENCE_S = 60.0


def wait_until(condition: Callable[[], object]) -> None:
    """Return as soon as a condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def forwarded(port: int, url: str) -> Iterator[None]:
    """Within the block, a port leads to a server."""
    to = urlsplit(url)

    class Forward(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((str(to.hostname), int(to.port or 0))) as server:
                back = threading.Thread(target=_pump, args=(server, self.request), daemon=True)
                back.start()
                _pump(self.request, server)
                back.join()

    socketserver.ThreadingTCPServer.allow_reuse_address = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", port), Forward) as listening:
        listening.daemon_threads, listening.block_on_close = True, False
        threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
        yield
        listening.shutdown()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(1 << 16):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def test_a_run_is_mirrored_while_it_grows(registry: Registry, tmp_path: Path) -> None:
    """Figures appear in MLflow before the run ends; at the end of the block all is there, and the run is finished."""
    record = recorded(tmp_path, steps=10)
    with Mirror(tmp_path, registry, EVERY_S):
        wait_until(lambda: registry_has(registry, record, step=10))
        (run_id,) = runs_of(registry, record.info.id)
        assert run_in_mlflow(registry, run_id)["info"]["status"] == "RUNNING"
        record.log(11, {"train/loss": 0.5})
        wait_until(lambda: registry_has(registry, record, step=11))
        for step in range(12, 40):
            record.log(step, {"train/loss": 1 / step})
        record.finish("FINISHED")
    assert runs_of(registry, record.info.id) == [run_id]
    assert_whole(registry, tmp_path, run_id)
    assert run_in_mlflow(registry, run_id)["info"]["status"] == "FINISHED"


def registry_has(registry: Registry, record: RunRecord, step: int) -> bool:
    """Whether MLflow has figures of a step of the run."""
    with suppress(RegistryUnavailable):  # there is no experiment yet
        return any(
            point[0] == step
            for run_id in runs_of(registry, record.info.id)
            for point in points_in_mlflow(registry, run_id).get("train/loss", [])
        )
    return False


def test_an_mlflow_that_is_away_is_told_once_and_gets_all_later(
    registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Training goes on, one warning is logged, and when MLflow answers it is brought up to date."""
    caplog.set_level(logging.INFO, "cosmoformer.runs.mirror")
    port = free_port()
    settings = load({}, mlflow_tracking_uri=f"http://127.0.0.1:{port}", model_name=registry.settings.model_name)
    record = recorded(tmp_path)
    with Mirror(tmp_path, Registry(settings), EVERY_S):
        wait_until(lambda: caplog.records)
        time.sleep(5 * EVERY_S)
        with forwarded(port, registry.settings.mlflow_tracking_uri):
            wait_until(lambda: len(caplog.records) > 1)
            record.log(31, {"train/loss": 0.1})
            record.finish("FINISHED")
            wait_until(lambda: status_is(registry, record, "FINISHED"))
    (run_id,) = runs_of(registry, record.info.id)
    assert_whole(registry, tmp_path, run_id)
    assert [line.levelname for line in caplog.records][:2] == ["WARNING", "INFO"]
    assert "tried again" in caplog.records[0].message


def status_is(registry: Registry, record: RunRecord, status: str) -> bool:
    """Whether MLflow shows the run so."""
    with suppress(RegistryUnavailable):  # there is no experiment yet
        return any(
            run_in_mlflow(registry, one)["info"]["status"] == status for one in runs_of(registry, record.info.id)
        )
    return False


def test_an_mlflow_that_stays_away_fails_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The last warning says how the run gets there later; an error of the training passes as it is."""
    record = recorded(tmp_path)
    nobody = Registry(load({}, mlflow_tracking_uri="http://127.0.0.1:9"))
    with pytest.raises(ArithmeticError), Mirror(tmp_path, nobody, EVERY_S):
        wait_until(lambda: caplog.records)
        record.finish("FAILED")
        raise ArithmeticError
    assert len(caplog.records) == 2
    assert f"cosmoformer import-run {tmp_path}" in caplog.records[1].message


def test_a_folder_that_vanishes_fails_nothing(registry: Registry, tmp_path: Path) -> None:
    """Not even a mistake about the folder reaches the training."""
    record = recorded(tmp_path / "run")
    with Mirror(tmp_path / "run", registry, EVERY_S):
        wait_until(lambda: registry_has(registry, record, step=30))
        shutil.rmtree(tmp_path / "run")
    (run_id,) = runs_of(registry, record.info.id)
    assert points_in_mlflow(registry, run_id)["train/loss"][-1][0] == 30
