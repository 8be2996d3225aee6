"""The activator in front of a real process: from zero to many and back, and every way a replica can fail."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3

from cosmoformer.local.knative.activator import Activator, ActivatorConfig
from cosmoformer.local.knative.replica import FunctionSpec
from cosmoformer.local.process import free_port, start_process, stop_process
from tests.cosmoformer.local.subscriber import wait_until

ARGV = (sys.executable, "-I", str(Path(__file__).with_name("echo_function.py")), "{port}")


class Client:
    """Asks the function, and looks at what the activator says about it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self._pool = urllib3.PoolManager(maxsize=32)
        self._threads = ThreadPoolExecutor(32)

    def ask(self, path: str = "/work", method: str = "POST", **options: Any) -> urllib3.BaseHTTPResponse:
        return self._pool.request(method, self.url + path, retries=False, **options)

    def begin(self, path: str) -> Future[urllib3.BaseHTTPResponse]:
        return self._threads.submit(self.ask, path)

    def state(self) -> dict[str, Any]:
        members: dict[str, Any] = self.ask("/_activator", "GET").json()
        return members

    def pids(self) -> list[int]:
        return [replica["pid"] for replica in self.state()["replicas"]]

    def in_flight(self) -> int:
        return sum(replica["in_flight"] for replica in self.state()["replicas"])


@contextmanager
def activated(folder: Path, argv: tuple[str, ...] = ARGV, **fields: Any) -> Iterator[Client]:
    spec = FunctionSpec(**{"name": "echo", "argv": argv, "folder": folder, "grace_s": 2.0, **fields})
    activator = Activator(ActivatorConfig(port=0, function=spec, stop_deadline_s=5.0))
    activator.server.start("activator")
    try:
        yield Client(activator.server.port)
    finally:
        activator.stop()


def _alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _refuses(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) != 0


def test_first_request_wakes_the_function(tmp_path: Path) -> None:
    """With no replica the first request starts one, waits for it and gets its answer."""
    with activated(tmp_path) as client:
        assert client.state()["replicas"] == []
        answer = client.ask().json()
        state = client.state()
        assert [answer["pid"]] == client.pids()
        assert answer["port"] == str(state["replicas"][0]["port"])
        assert answer["service"] == "echo"
        assert state["cold_starts"] == 1
        assert 0 < state["last_start_s"] < 10


def test_request_and_answer_pass_unchanged(tmp_path: Path) -> None:
    """Method, path, query, headers, body, status and repeated headers pass; a proxy's own headers are added."""
    headers = {"Host": "classify.example", "ce-subject": "gr%C3%B6%C3%9Fe", "X-Forwarded-For": "10.0.0.1"}
    with activated(tmp_path) as client:
        answer = client.ask("/teapot/a%20b?q=1", "PUT", body=b"\x00\xff", headers=headers)
    seen = answer.json()
    assert (answer.status, answer.headers.getlist("X-Own")) == (418, ["one", "two"])
    assert (seen["method"], seen["path"], seen["body"]) == ("PUT", "/teapot/a%20b?q=1", "\x00\xff")
    assert (seen["headers"]["host"], seen["headers"]["ce-subject"]) == ("classify.example", "gr%C3%B6%C3%9Fe")
    assert seen["headers"]["forwarded"] == "for=127.0.0.1;proto=http"
    assert seen["headers"]["x-forwarded-for"] == "10.0.0.1, 127.0.0.1"


def test_health_and_metrics_do_not_wake(tmp_path: Path) -> None:
    """Probes, metrics and the state page are answered without starting anything."""
    with activated(tmp_path) as client:
        for path in ("/health/readiness", "/health/liveness", "/metrics", "/_activator"):
            assert client.ask(path, "GET").status == 200
        assert client.state()["cold_starts"] == 0
        assert client.pids() == []
        assert b'cosmoformer_activator_replicas_ready{function="echo"} 0.0' in client.ask("/metrics", "GET").data


def test_load_brings_replicas_up_to_the_maximum(tmp_path: Path) -> None:
    """More requests than slots start more replicas, not beyond the maximum, each with one request at a time."""
    with activated(tmp_path, max_replicas=3) as client:
        answers = [future.result().json() for future in [client.begin("/work?s=0.3") for _ in range(12)]]
        assert len({answer["pid"] for answer in answers}) == 3
        assert len(client.pids()) == 3
        assert {answer["most_at_once"] for answer in answers} == {1}
        assert client.state()["cold_starts"] == 1


def test_concurrency_fills_a_replica_first(tmp_path: Path) -> None:
    """With a concurrency of four, four requests share one replica."""
    with activated(tmp_path, container_concurrency=4) as client:
        answers = [future.result().json() for future in [client.begin("/work?s=0.3") for _ in range(4)]]
        assert len({answer["pid"] for answer in answers}) == 1
        assert max(answer["most_at_once"] for answer in answers) == 4


def test_idle_replicas_end_down_to_zero(tmp_path: Path) -> None:
    """After `idle_s` without requests the processes end, and the next request is a cold start again."""
    with activated(tmp_path, idle_s=0.4) as client:
        futures = [client.begin("/work?s=0.2") for _ in range(2)]
        pids = {future.result().json()["pid"] for future in futures}
        wait_until(lambda: not client.pids())
        wait_until(lambda: not any(map(_alive, pids)))
        assert client.ask().json()["pid"] not in pids
        assert client.state()["cold_starts"] == 2


def test_long_request_is_not_idleness(tmp_path: Path) -> None:
    """A request that takes longer than `idle_s` is answered."""
    with activated(tmp_path, idle_s=0.2) as client:
        assert client.ask("/work?s=0.8").status == 200


def test_killed_replica_fails_its_request_and_only_that(tmp_path: Path) -> None:
    """On `kill -9` the request under way gets 502, the waiting ones a new process."""
    with activated(tmp_path, max_replicas=1) as client:
        victim = client.ask().json()["pid"]
        under_way = client.begin("/work?s=20")
        wait_until(client.in_flight)
        waiting = [client.begin("/work") for _ in range(3)]
        wait_until(lambda: client.state()["waiting"] == 3)
        os.kill(victim, signal.SIGKILL)
        assert under_way.result(5).status == 502
        assert under_way.result().headers["Content-Type"] == "application/problem+json"
        assert {future.result(10).status for future in waiting} == {200}
        assert victim not in client.pids()


def test_replica_killed_while_idle_is_replaced(tmp_path: Path) -> None:
    """A request right after the only replica died is answered by a new one."""
    with activated(tmp_path) as client:
        first = client.ask().json()
        os.kill(first["pid"], signal.SIGKILL)
        # The socket of a process with threads outlives its leader for a moment, and what it still accepts gets 502.
        wait_until(lambda: _refuses(int(first["port"])))
        answer = client.ask()
        assert answer.status == 200
        assert answer.json()["pid"] != first["pid"]


def test_killed_replica_leaves_no_child(tmp_path: Path) -> None:
    """When a replica's process is killed, those that it started are ended too and the next request starts anew."""
    program = tmp_path / "with_child.py"
    program.write_text(
        "import subprocess, sys\n"
        "from wsgiref.simple_server import make_server\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [str(child.pid).encode()]\n"
        "make_server('127.0.0.1', int(sys.argv[1]), app).serve_forever()\n"
    )
    with activated(tmp_path, argv=(sys.executable, str(program), "{port}")) as client:
        child = int(client.ask().data)
        (leader,) = client.pids()
        assert child != leader
        os.kill(leader, signal.SIGKILL)
        wait_until(lambda: not _alive(child))
        assert int(client.ask().data) != child


def test_replica_that_hangs_up_is_probed_and_kept(tmp_path: Path) -> None:
    """A hang-up without an answer costs its request a 502; the replica is ready again after a probe."""
    with activated(tmp_path) as client:
        pid = client.ask().json()["pid"]
        assert client.ask("/hang-up").status == 502
        assert client.ask().json()["pid"] == pid


def test_never_ready_replica_is_ended(tmp_path: Path) -> None:
    """A replica that misses its start-up deadline is ended, and who waits gets 503 with the end of its log."""
    with activated(tmp_path, env={"NEVER_READY": "1"}, startup_deadline_s=0.6) as client:
        future = client.begin("/work")
        wait_until(client.pids)
        (pid,) = client.pids()
        answer = future.result(10)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert "not ready after 0.6 s" in answer.json()["detail"]
        assert "still loading the model" in answer.json()["log"]
        wait_until(lambda: not _alive(pid))


def test_crash_at_start_is_reported_and_backed_off(tmp_path: Path) -> None:
    """A process that ends at start gives 503 with its log at once; until the backoff is over nothing is started."""
    with activated(tmp_path, env={"CRASH": "1"}) as client:
        first, second = client.ask(), client.ask()
        assert (first.status, second.status) == (503, 503)
        assert "no such model" in first.json()["log"]
        assert "ended with status 1" in first.json()["detail"]
        assert client.state()["cold_starts"] == 1
        wait_until(lambda: client.ask().status == 503 and client.state()["cold_starts"] == 2)
        assert int(client.ask().headers["Retry-After"]) == 2


def test_missing_program_is_reported(tmp_path: Path) -> None:
    """A program that is not there gives 503 that names it, and the activator lives on."""
    with activated(tmp_path, argv=("no-such-program",)) as client:
        answer = client.ask()
        assert answer.status == 503
        assert "no-such-program" in answer.json()["detail"]
        assert client.ask("/health/liveness", "GET").status == 200


def test_full_line_is_refused(tmp_path: Path) -> None:
    """A request that finds the line full gets 503 with Retry-After at once."""
    with activated(tmp_path, max_replicas=1, max_waiting=2) as client:
        client.ask()
        held = [client.begin("/work?s=0.6") for _ in range(3)]
        wait_until(lambda: client.state()["waiting"] == 2)
        refused = client.ask()
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert {future.result(10).status for future in held} == {200}


def test_slow_answer_times_out(tmp_path: Path) -> None:
    """A replica that does not answer within `timeout_s` costs its request a 504."""
    with activated(tmp_path, timeout_s=2.0) as client:
        assert client.ask("/work?s=5").status == 504


def test_client_that_leaves_frees_its_place(tmp_path: Path) -> None:
    """A client that hangs up in line is never forwarded; one that hangs up under way leaves a free slot behind."""
    with activated(tmp_path, max_replicas=1) as client:
        client.ask()
        with _half_a_request(client, "/work/under-way?s=0.8"):
            wait_until(client.in_flight)
            with _half_a_request(client, "/work/in-line"):
                wait_until(lambda: client.state()["waiting"] == 1)
            wait_until(lambda: client.state()["waiting"] == 0)
            assert client.in_flight() == 1
        wait_until(lambda: client.in_flight() == 0)
        assert client.ask("/work/after").status == 200
    log = (tmp_path / "echo-0.log").read_text()
    assert "answered /work/after" in log
    assert "in-line" not in log


@contextmanager
def _half_a_request(client: Client, path: str) -> Iterator[None]:
    """Send a request and hang up without reading the answer."""
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        yield


@contextmanager
def _activator_process(folder: Path, **config: Any) -> Iterator[tuple[Client, subprocess.Popen[bytes]]]:
    port = free_port()
    function = {"name": "echo", "argv": ARGV, "folder": str(folder / "run"), "grace_s": 2}
    file = folder / "activator.json"
    file.write_text(json.dumps({"port": port, "function": function, **config}))
    argv = [sys.executable, "-m", "cosmoformer.local.knative.activator", "--config", str(file)]
    process = start_process(argv, log=folder / "activator.log")
    try:
        wait_until(lambda: process.poll() is not None or _listens(port))
        yield Client(port), process
    finally:
        stop_process(process)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_sigterm_answers_what_is_under_way(tmp_path: Path) -> None:
    """On SIGTERM the request under way is answered, then replica and activator end."""
    with _activator_process(tmp_path) as (client, process):
        pid = client.ask().json()["pid"]
        future = client.begin("/work?s=0.8")
        wait_until(client.in_flight)
        process.send_signal(signal.SIGTERM)
        assert future.result(10).status == 200
        assert process.wait(10) == 0
        assert not _alive(pid)


def test_kill_9_takes_the_replica_along(tmp_path: Path) -> None:
    """A killed activator leaves no replica behind, and a new one starts from zero."""
    with _activator_process(tmp_path) as (client, process):
        pid = client.ask().json()["pid"]
        process.kill()
        wait_until(lambda: not _alive(pid))
    with _activator_process(tmp_path) as (client, _):
        assert client.pids() == []
        assert client.ask().status == 200


def test_bad_configuration_is_named(tmp_path: Path) -> None:
    """A configuration error ends the process with a message that names the member at fault."""
    with _activator_process(tmp_path, stop_deadline_s="soon") as (_, process):
        assert process.wait(10) == 1
    assert 'activator.json.stop_deadline_s: expected a float, got "soon"' in (tmp_path / "activator.log").read_text()
    with pytest.raises(Exception, match="max_replicas must be above 0"):
        FunctionSpec(name="echo", argv=ARGV, folder=tmp_path, max_replicas=0)
