"""Traces: W3C Trace Context and CloudEvents' distributed tracing extension are passed on; spans, where somebody collects them.

A request belongs to the trace that its event names (extension ``traceparent``), else to that of its header. Meanwhile log lines
have its ``trace_id``, and whatever is sent tells the trace. Spans are made by OpenTelemetry when ``OTEL_EXPORTER_OTLP_ENDPOINT``
is set (the extra ``tracing``); without it nothing of it is imported.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cosmoformer import logs

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

log = logging.getLogger(__name__)

# Trace Context, section 3.2: of a version that is not known yet, what follows the flags may be more.
_PARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE = re.compile(r"[\x20-\x7e]{1,512}")  # section 3.3: what is longer may be dropped
_tracer: Tracer | None = None


@dataclass(frozen=True)
class Trace:
    """A place in a trace.

    Attributes:
        parent: ``traceparent``.
        state: ``tracestate``; empty for none.
    """

    parent: str
    state: str = ""

    @property
    def id(self) -> str:
        """The trace's id, 32 hexadecimal digits."""
        return self.parent.split("-")[1]

    def members(self) -> dict[str, str]:
        """As extension attributes of an event, and as headers, by the same names."""
        return {"traceparent": self.parent} | ({"tracestate": self.state} if self.state else {})


_present: ContextVar[Trace | None] = ContextVar("trace", default=None)


def read(members: Mapping[str, str]) -> Trace | None:
    """The trace that headers or attributes tell, in any case of letters; None where there is none, or one that is malformed."""
    told = {name.lower(): value for name, value in members.items() if name.lower() in ("traceparent", "tracestate")}
    parent, state = told.get("traceparent", "").strip(), told.get("tracestate", "").strip()
    found = _PARENT.fullmatch(parent)
    if not found or (found[1] == "00" and found[5]):
        return None
    return Trace(parent, state if _STATE.fullmatch(state) else "")


def present() -> dict[str, str]:
    """What tells of the trace of the present request, for events and headers; empty where it has none."""
    trace = _present.get()
    return trace.members() if trace else {}


def with_trace(attributes: Mapping[str, str], trace: Mapping[str, str]) -> dict[str, str]:
    """Attributes of an event with a trace, unless they tell one."""
    return dict(attributes) if "traceparent" in attributes else {**attributes, **trace}


def headers_of(attributes: Mapping[str, str]) -> dict[str, str]:
    """Headers of a request that sends an event with these attributes, for those who look at requests alone."""
    trace = read(attributes)
    return trace.members() if trace else {}


def follow(members: Mapping[str, str]) -> None:
    """Go on in the trace that an event's attributes tell, if they do, until the present :func:`span` ends.

    Where spans are collected, a request that has begun one stays in it: it is that trace's, or a proxy in front was not told.
    """
    if _tracer is None and (trace := read(members)):
        _present.set(trace)
        logs.bind(trace_id=trace.id)


def of_request(headers: Mapping[str, str]) -> Trace | None:
    """The trace of a request: that of the event in its headers, else that of the request itself."""
    events = {name.lower()[3:]: value for name, value in headers.items() if name.lower().startswith("ce-trace")}
    return read(events) or read(headers)


@contextmanager
def span(name: str, headers: Mapping[str, str]) -> Iterator[None]:
    """Work on a request: what is logged and sent meanwhile tells its trace; a span of it where spans are collected."""
    trace = of_request(headers)
    if _tracer is None:
        with _within(trace):
            yield
        return
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator as Propagator

    before = Propagator().extract(trace.members() if trace else {})
    with _tracer.start_as_current_span(name, before, SpanKind.SERVER):
        own: dict[str, str] = {}
        Propagator().inject(own)
        with _within(read(own)):
            yield


@contextmanager
def _within(trace: Trace | None) -> Iterator[None]:
    token = _present.set(trace)
    try:
        with logs.bound(trace_id=trace.id if trace else None):
            yield
    finally:
        _present.reset(token)


def collect(endpoint: str, service: str) -> None:
    """Have spans collected, if there is somewhere to send them; without the package, a log line says what is missing.

    Args:
        endpoint: base address of an OTLP collector over HTTP; empty for none.
        service: what spans are of.
    """
    global _tracer
    if not endpoint:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.error("no spans: OTEL_EXPORTER_OTLP_ENDPOINT is set; pip install 'cosmoformer[tracing]'")
        return
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = provider.get_tracer("cosmoformer")
