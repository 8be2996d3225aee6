"""Traces are read, passed on and collected."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from cosmoformer import logs, tracing

ID, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    "parent",
    [
        "",
        PARENT.upper(),
        PARENT[:-1],
        PARENT + "-more",
        PARENT.replace(ID, "0" * 32),
        PARENT.replace("00f067aa0ba902b7", "0" * 16),
        "ff" + PARENT[2:],
    ],
)
def test_what_is_no_trace_is_none(parent: str) -> None:
    """As Trace Context says: it is as if none had been told."""
    assert tracing.read({"traceparent": parent, "tracestate": "a=1"}) is None


def test_a_trace_is_told_by_header_or_event() -> None:
    """The event's own comes first, as it is older; a state that is none is dropped."""
    assert tracing.read({"Traceparent": PARENT, "Tracestate": "a=1"}) == tracing.Trace(PARENT, "a=1")
    assert tracing.read({"traceparent": "01" + PARENT[2:] + "-more"}) == tracing.Trace("01" + PARENT[2:] + "-more")
    assert tracing.read({"traceparent": PARENT, "tracestate": "x" * 513}) == tracing.Trace(PARENT)
    other = PARENT.replace("4bf9", "ffff")
    assert tracing.of_request({"Ce-Traceparent": PARENT, "Traceparent": other}) == tracing.Trace(PARENT)
    assert tracing.of_request({"Ce-Traceparent": "none", "Traceparent": other}) == tracing.Trace(other)


def test_the_present_trace_is_logged_and_told_until_its_request_ends() -> None:
    """A structured event tells its trace later than a request's headers would."""
    with tracing.span("x", {"traceparent": PARENT, "tracestate": "a=1"}):
        assert tracing.present() == {"traceparent": PARENT, "tracestate": "a=1"}
        assert logs.bound_value("trace_id") == ID
    with tracing.span("x", {}):
        assert tracing.present() == {}
        tracing.follow({"traceparent": PARENT})
        assert (tracing.present(), logs.bound_value("trace_id")) == ({"traceparent": PARENT}, ID)
    assert (tracing.present(), logs.bound_value("trace_id")) == ({}, None)


def test_an_events_own_trace_is_kept() -> None:
    """It is never mixed with another's state."""
    assert tracing.with_trace({"id": "1"}, {"traceparent": PARENT}) == {"id": "1", "traceparent": PARENT}
    kept = {"traceparent": PARENT}
    assert tracing.with_trace(kept, {"traceparent": "other", "tracestate": "a=1"}) == kept


_WORK = """
import sys
from cosmoformer import tracing
tracing.collect(sys.argv[1], "test")
with tracing.span("judge", {"traceparent": sys.argv[2]}):
    print(tracing.present()["traceparent"])
print(sorted(name for name in sys.modules if name.startswith("opentelemetry"))[:1])
"""


def work(endpoint: str) -> list[str]:
    """What a process says that traces one piece of work."""
    command = [sys.executable, "-c", _WORK, endpoint, PARENT]
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout.splitlines()


def test_without_a_collector_nothing_is_imported() -> None:
    """The trace is passed on as it came."""
    assert work("") == [PARENT, "[]"]


@pytest.fixture
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """Takes spans by OTLP over HTTP; its address, and what came."""
    taken: list[ExportTraceServiceRequest] = []

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Take)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", taken
    server.shutdown()
    thread.join()
    server.server_close()


def test_spans_are_collected_as_parts_of_their_trace(
    collector: tuple[str, list[ExportTraceServiceRequest]],
) -> None:
    """What is passed on is the span's own place in the same trace, and the span came from the place before."""
    url, taken = collector
    told = tracing.read({"traceparent": work(url)[0]})
    assert told and told.id == ID and told.parent != PARENT
    [span] = taken[0].resource_spans[0].scope_spans[0].spans
    assert (span.name, span.trace_id.hex(), span.parent_span_id.hex()) == ("judge", ID, "00f067aa0ba902b7")
    assert span.span_id.hex() == told.parent.split("-")[2]
