"""The HTTP server by itself: framing, limits, deadlines, probes, and its end."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from werkzeug.wrappers import Request, Response

from cosmoformer.errors import SettingsError
from cosmoformer.http.server import HttpServer, Limits
from cosmoformer.http.wsgi import application
from tests.cosmoformer.http import raw
from tests.cosmoformer.local.subscriber import wait_until

LIMITS = Limits(body_bytes=1000, header_bytes=4096)
HEAD = b"POST /a HTTP/1.1\r\nHost: x\r\n"


def echo(request: Request) -> Response:
    return Response(request.get_data(), headers={"X-Length": request.headers.get("Content-Length", "none")})


@contextmanager
def serving(
    answer: Callable[[Request], Response] = echo, limits: Limits = LIMITS, threads: int = 2
) -> Iterator[HttpServer]:
    server = HttpServer(application(answer), "127.0.0.1", 0, threads, limits, {"X-Own": "yes"})
    server.start("test")
    yield server
    server.stop(1)


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        (HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "both"),
        (HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400, "both"),
        (HEAD + b"transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400, "Transfer-Encoding"),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 400, "Transfer-Encoding"),
        (
            HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
            400,
            "Transfer-Encoding",
        ),
        (HEAD + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", 400, "control"),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "HTTP/1.0"),
        (HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, "Content-Length"),
        (HEAD + b"Content-Length: -3\r\n\r\n", 400, "Content-Length"),
        (HEAD + b"Content-Length: +3\r\n\r\nabc", 400, "Content-Length"),
        (HEAD + b"Content-Length: 0x3\r\n\r\nabc", 400, "Content-Length"),
        (HEAD + b"Content-Length: " + b"9" * 4000 + b"\r\n\r\n", 413, ""),
        (HEAD + b"Content-Length: 1001\r\n\r\n", 413, ""),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nab", 400, "chunk"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcdefg\r\n", 400, "longer"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 2000, 400, "chunk"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 3000, 400, "trailer"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"a" * 1001 + b"\r\n0\r\n\r\n", 413, ""),
        (HEAD + b"A: " + b"a" * 4096 + b"\r\n\r\n", 431, ""),
        (b"a" * 5000, 431, ""),
        (HEAD + b"No colon\r\n\r\n", 400, "header"),
        (HEAD + b"Space : a\r\n\r\n", 400, "header"),
        (b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n", 400, ""),
        (b"GET http://[::1:80/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, ""),
        (b"GET / HTTP/2.0\r\n\r\n", 400, "HTTP/1.1"),
        (b"GET /\r\n\r\n", 400, "HTTP/1.1"),
        (b"get / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "line"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, "line"),
        (b"GET / HTTP/1.1\rHost: x\r\n\r\n", 400, "line"),
    ],
)
def test_what_is_no_request_is_refused(sent: bytes, status: int, said: str, caplog: pytest.LogCaptureFixture) -> None:
    """Ambiguous, malformed and oversized requests get problem details; nothing after them is read as a request."""
    with serving() as server, raw.connect(server.port) as connection:
        connection.sendall(sent + b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = raw.read(connection)
        assert answer.status == status
        assert said in answer.problem["detail"]
        assert answer.headers["x-own"] == "yes"
        assert raw.is_closed(connection)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_numbers_of_thousands_of_digits_are_refused() -> None:
    """Python refuses to read a number of more than 4,300 digits; the client is told, all the same."""
    with serving(limits=Limits(body_bytes=1000, header_bytes=1 << 16)) as server:
        assert raw.ask(server.port, HEAD + b"Content-Length: " + b"9" * 9000 + b"\r\n\r\n").status == 400


@pytest.mark.parametrize("size", [0, 1, 999, 1000])
def test_bodies_up_to_the_limit_are_read(size: int) -> None:
    """With a length and in chunks, several on one connection."""
    body = b"b" * size
    chunks = (b"%x;ext=1\r\n%s\r\n" % (size, body) if size else b"") + b"0\r\nTrailer: a\r\n\r\n"
    with serving() as server, raw.connect(server.port) as connection:
        for framed in (b"Content-Length: %d\r\n\r\n%s" % (size, body), b"Transfer-Encoding: chunked\r\n\r\n" + chunks):
            for byte in (HEAD + framed)[:40], (HEAD + framed)[40:]:
                connection.sendall(byte)
            answer = raw.read(connection)
            assert (answer.status, answer.body) == (200, body)


def test_an_answer_gets_through_to_a_client_that_is_still_sending() -> None:
    """A body that is refused by its length may be under way: the refusal arrives, and not a reset."""
    with serving() as server, raw.connect(server.port) as connection:
        connection.sendall(HEAD + b"Content-Length: 50000000\r\n\r\n" + b"x" * 200_000)
        assert raw.read(connection).status == 413


def test_a_body_may_be_judged_by_its_length() -> None:
    """Where the application wants it, what is too large gets to it unread; then the connection ends."""
    with serving(limits=Limits(body_bytes=10, judged_unread=True)) as server, raw.connect(server.port) as connection:
        connection.sendall(HEAD + b"Content-Length: 11\r\n\r\n" + b"x" * 11 + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = raw.read(connection)
        assert (answer.status, answer.headers["x-length"], answer.body) == (200, "11", b"")
        assert raw.is_closed(connection)


def test_all_bodies_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes more memory than there is for bodies is told to come later; memory is given back."""
    monkeypatch.setattr("cosmoformer.http.channel._SILENT_S", 600.0)  # none is slow, however slow the machine is
    size = 1 << 20
    head = HEAD + b"Content-Length: %d\r\n\r\n" % size
    limits = Limits(body_bytes=size, held_bytes=2 * size, slowest_bytes_per_s=1)
    with serving(limits=limits) as server:
        with raw.crowd(server.port, 3, head) as coming:
            for connection in coming:
                connection.sendall(b"x" * (size - 1))  # all but one byte: how it is cut on the way makes no difference
            answered, _, _ = select.select(coming, [], [], 60)  # however slow the machine is
            answers = [raw.read(connection) for connection in answered]
            for connection in set(coming) - set(answered):
                connection.sendall(b"x")
            assert [(answer.status, "retry-after" in answer.headers) for answer in answers] == [(503, True)]
        wait_until(lambda: server.held_bytes() == 0)
        assert raw.ask(server.port, head + b"x" * size).status == 200


def test_who_only_promises_a_body_keeps_nobody_out() -> None:
    """Memory is counted as it is taken, not as it is announced."""
    size = 1 << 20
    head = HEAD + b"Content-Length: %d\r\n\r\n" % size
    with (
        serving(limits=Limits(body_bytes=size, held_bytes=2 * size)) as server,
        raw.crowd(server.port, 50, head + b"x"),
    ):
        assert raw.ask(server.port, head + b"x" * size).status == 200


def test_a_slow_body_makes_room_for_a_quick_one() -> None:
    """Bodies that fill the memory and do not go on give way."""
    size = 1 << 20
    head = HEAD + b"Content-Length: %d\r\n\r\n" % size
    with (
        serving(limits=Limits(body_bytes=size, held_bytes=2 * size)) as server,
        raw.crowd(server.port, 2, head + b"x" * (size - 1)) as slow,
    ):
        wait_until(lambda: server.held_bytes() == 2 * size)
        time.sleep(1.5)  # by which they have become slow
        assert raw.ask(server.port, head + b"x" * size).status == 200
        answers = []
        for connection in slow:
            connection.settimeout(1)
            with contextlib.suppress(TimeoutError):
                answers.append(raw.read(connection).status)
        assert answers == [503, 503]


@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
        HEAD + b"Expect: 100-continue\r\nContent-Length: 0\r\n\r\n",
        HEAD + b"Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n",
        HEAD + b"Expect: 100-continue\r\nContent-Length: -1\r\n\r\n",
        HEAD + b"Expect: 100-continue\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_nobody_is_told_to_go_on_in_vain(begun: bytes) -> None:
    """Where no body is wanted, the answer comes at once and not 100: what is sent then would be read as a request."""
    with serving() as server, raw.connect(server.port) as connection:
        connection.sendall(begun)
        assert raw.read(connection).status == (
            413 if b"1001" in begun else 400 if b"-1" in begun or b"chunked" in begun else 200
        )


def test_a_body_is_sent_when_it_is_asked_for() -> None:
    """With Expect the server says 100, and then reads the body and the next request."""
    with serving() as server, raw.connect(server.port) as connection:
        for _ in range(2):
            connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            assert raw.read(connection).status == 100
            connection.sendall(b"hello")
            assert raw.read(connection).body == b"hello"


@pytest.mark.parametrize(
    "sent",
    [
        b"GET a://" + b"0" * 30_000 + b" x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX:" + b" " * 30_000 + b"\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX:" + b" " * 30_000 + b"a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a " * 15_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 6000 + b"\r\n",
    ],
)
def test_no_header_takes_long_to_read(sent: bytes) -> None:
    """Expressions that search a long line again and again would keep every other client waiting for minutes."""
    with serving(limits=Limits(header_bytes=1 << 16)) as server:
        began = time.process_time()
        raw.ask(server.port, sent)
        assert time.process_time() - began < 2


def test_pipelined_requests_are_answered_one_after_the_other() -> None:
    """All are answered, in order; while nobody reads the answers, nothing more is read, and no thread waits."""
    count = 3000
    with serving(lambda request: Response(request.path * 5000)) as server, raw.connect(server.port) as reader:
        flood = b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(count))
        with raw.crowd(server.port, 10, b"") as others:
            for connection in others:
                connection.settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    connection.sendall(flood)
            assert raw.ask(server.port, b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
            assert server.held_bytes() < 10 << 20
        sending = threading.Thread(target=reader.sendall, args=(flood,), daemon=True)
        sending.start()
        stream = reader.makefile("rb")
        assert [raw.read_from(stream).body[:6] for _ in range(count)] == [(b"/%d" % n * 6)[:6] for n in range(count)]


def test_blank_lines_are_no_requests() -> None:
    """Any number of empty lines before a request is skipped."""
    with serving() as server:
        assert raw.ask(server.port, b"\r\n" * 20_000 + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        b"",
        b"Host: a\r\nHost: b\r\n",
        b"Host: x\r\nContent-Length:\r\n 3\r\n",
        b"Host: x\r\nX: y\r\n Transfer-Encoding: chunked\r\n",
        b"Host: x\r\nTransfer-Encoding: chunked\r\n \r\n",
    ],
)
def test_what_a_proxy_may_read_otherwise_is_refused(headers: bytes) -> None:
    """No or two hosts, and headers that go on in the next line (RFC 9112, sections 3.2 and 5.2)."""
    with serving() as server:
        assert raw.ask(server.port, b"POST / HTTP/1.1\r\n" + headers + b"\r\n").status == 400


def test_chunks_are_read_to_the_letter() -> None:
    """An empty line is no chunk's size, and a line ends in CR and LF."""
    for chunks in (b"\r\n1\r\nx\r\n0\r\n\r\n", b"1\nx\r\n0\r\n\r\n", b"1\r\nx\n0\r\n\r\n", b"0x1\r\nx\r\n0\r\n\r\n"):
        with serving() as server:
            assert raw.ask(server.port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks).status == 400


def test_close_among_other_words_closes() -> None:
    """Connection is a list (RFC 9110, section 7.6.1)."""
    with serving() as server, raw.connect(server.port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: x, Close\r\n\r\n")
        assert raw.read(connection).headers["connection"] == "close"
        assert raw.is_closed(connection)


def test_who_does_not_read_is_left() -> None:
    """An answer that is not taken gives its memory back after a while."""
    limits = Limits(unfinished_s=1.0, slowest_bytes_per_s=1 << 30)
    with serving(lambda _: Response(b"a" * (32 << 20)), limits) as server, raw.connect(server.port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: server.held_bytes() > 1 << 20)
        wait_until(lambda: server.held_bytes() == 0)


def test_unfinished_requests_are_given_up() -> None:
    """Half a header and half a body are answered 408 after a while, however steadily single bytes come."""
    with serving(limits=Limits(unfinished_s=1.0)) as server:
        for begun in (
            b"GET / HT",
            HEAD,
            HEAD + b"Content-Length: 500\r\n\r\nab",
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
        ):
            with raw.connect(server.port) as connection:
                connection.sendall(begun)
                drip = threading.Thread(target=_drip, args=(connection,), daemon=True)
                drip.start()
                assert raw.read(connection).problem["status"] == 408
                assert raw.is_closed(connection)


def _drip(connection) -> None:  # type: ignore[no-untyped-def]
    try:
        for _ in range(100):
            time.sleep(0.05)
            connection.sendall(b"0")
    except OSError:
        pass


def test_slow_clients_hold_no_threads() -> None:
    """While hundreds send half a header or half a body, a server of two threads answers others and its probes."""
    with (
        serving() as server,
        raw.crowd(server.port, 200, HEAD),
        raw.crowd(server.port, 200, HEAD + b"Content-Length: 900\r\n\r\nx"),
    ):
        assert raw.ask(server.port, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
        assert raw.ask(server.port, HEAD + b"Content-Length: 1\r\n\r\nx").body == b"x"


def test_probes_are_answered_while_all_threads_work() -> None:
    """Health and metrics have threads of their own."""
    go_on = threading.Event()

    def answer(request: Request) -> Response:
        if not request.path.startswith(("/health", "/metrics")):
            go_on.wait(30)
        return Response("done")

    with serving(answer) as server, raw.crowd(server.port, 5, HEAD + b"Content-Length: 0\r\n\r\n") as busy:
        for path in (b"/health/liveness", b"/metrics"):
            assert raw.ask(server.port, b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path).status == 200
        go_on.set()
        assert [raw.read(connection).status for connection in busy] == [200] * 5


def test_too_many_connections_push_out_the_silent_ones() -> None:
    """At the limit the connection that was silent longest makes room."""
    with serving(limits=Limits(connections=20)) as server, raw.crowd(server.port, 50, b"") as silent:
        assert raw.ask(server.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
        assert raw.is_closed(silent[0])
        assert len(server.active_channels) <= 30  # half as many again, while all are new


def test_a_connection_that_comes_as_another_is_given_up_is_answered() -> None:
    """The new one gets the number that the old one's socket had, in the very turn of the loop in which that was looked at."""
    server = HttpServer(application(echo), "127.0.0.1", 0, 1, Limits(idle_s=0))
    with socket.create_connection(("127.0.0.1", server.port)) as old:
        while not server.active_channels:
            server._turn()
        (given_up,) = server.active_channels
        time.sleep(0.01)
        with socket.create_connection(("127.0.0.1", server.port)) as new:
            server.next_channel_cleanup = 0.0  # connections are looked at in the next turn
            server._turn()
            server.next_channel_cleanup = time.time() + 60
            assert old.recv(1) == b""
            assert list(server.active_channels) == [given_up]
            new.sendall(HEAD + b"Content-Length: 2\r\n\r\nhi")
            deadline = time.monotonic() + 5
            while not select.select([new], [], [], 0)[0] and time.monotonic() < deadline:
                server._turn()
            assert new.recv(100).startswith(b"HTTP/1.1 200")
    server.stop(1)


def test_the_application_hears_that_its_client_has_left() -> None:
    """A client that closes while its request is worked on is noticed."""
    left = threading.Event()

    def answer(request: Request) -> Response:
        wait_until(request.environ["waitress.client_disconnected"])
        left.set()
        return Response()

    with serving(answer) as server:
        connection = raw.connect(server.port)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: any(channel.requests for channel in server.active_channels.values()))
        assert not left.is_set()
        connection.close()
        assert left.wait(10)


def test_what_fails_unexpectedly_is_a_problem(caplog: pytest.LogCaptureFixture) -> None:
    """An application's own fault is logged with its traceback, and told without."""

    def answer(_: Request) -> Response:
        raise ZeroDivisionError("a secret")

    with serving(answer) as server:
        failed = raw.ask(server.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert failed.problem["status"] == 500
    assert b"secret" not in failed.body
    assert "a secret" in caplog.text


def test_stopping_finishes_what_is_under_way() -> None:
    """Idle connections are closed at once, requests under way are answered, new connections refused."""
    began, go_on = threading.Event(), threading.Event()

    def answer(_: Request) -> Response:
        began.set()
        go_on.wait(30)
        return Response("done")

    server = HttpServer(application(answer), "127.0.0.1", 0, 2)
    server.start("test")
    with raw.crowd(server.port, 3, b"") as idle, raw.connect(server.port) as working:
        working.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        began.wait(10)
        ended: list[bool] = []
        stopping = threading.Thread(target=lambda: ended.append(server.stop(20)))
        stopping.start()
        assert all(raw.is_closed(connection) for connection in idle)
        with pytest.raises(ConnectionRefusedError):
            raw.connect(server.port)
        go_on.set()
        assert raw.read(working).body == b"done"
        stopping.join(20)
    assert ended == [True]


def test_stopping_does_not_wait_for_half_a_request() -> None:
    """What has only begun to come has a second; whoever is answered meanwhile is told that the connection ends."""
    began, go_on = threading.Event(), threading.Event()

    def answer(_: Request) -> Response:
        began.set()
        go_on.wait(30)
        return Response("done")

    server = HttpServer(application(answer), "127.0.0.1", 0, 2)
    server.start("test")
    with raw.crowd(server.port, 3, b"GET / HT"), raw.connect(server.port) as working:
        working.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        began.wait(10)
        ended: list[bool] = []
        stopping = threading.Thread(target=lambda: ended.append(server.stop(30)))
        stopping.start()
        wait_until(lambda: server.stopping)
        go_on.set()
        assert raw.read(working).headers["connection"] == "close"
        stopping.join(15)
    assert ended == [True]


def test_stopping_waits_no_longer_than_it_may() -> None:
    """A request that does not end is left behind."""
    began = threading.Event()

    def answer(_: Request) -> Response:
        began.set()
        time.sleep(5)
        return Response()

    server = HttpServer(application(answer), "127.0.0.1", 0, 1)
    server.start("test")
    with raw.connect(server.port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        began.wait(10)
        assert not server.stop(0.1)


def test_a_port_that_is_taken_is_named() -> None:
    """The address is in the message, and what to do."""
    with serving() as server, pytest.raises(SettingsError, match=f"127.0.0.1:{server.port}.*another port"):
        HttpServer(None, "127.0.0.1", server.port, 1)


def test_a_refusal_waits_for_a_client_that_goes_on_sending() -> None:
    """However long a client goes on with a body that was refused, it can read the refusal afterwards."""
    with serving() as server, raw.connect(server.port) as connection:
        connection.sendall(HEAD + b"Content-Length: 100000000\r\n\r\n")
        for _ in range(8):  # for longer than the connection would be kept for a silent client
            time.sleep(0.4)
            connection.sendall(b"x" * 100_000)
        assert raw.read(connection).status == 413
