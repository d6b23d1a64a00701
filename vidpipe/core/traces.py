"""Traces of sampled frames by OpenTelemetry: what each stage, link and queue took of one frame, on all machines.

A frame that is sampled bears the context of its trace (`Frame.trace`, a W3C `traceparent`), and takes it over links;
any other bears none, and costs a look at that. Spans are recorded once they are over, so that no span is open where
something is raised. Each process sends its own, to where the standard variables `OTEL_EXPORTER_OTLP_*` say.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from vidpipe.core.extras import extra, is_installed

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer

_PARENT = "traceparent"
_SEND_S = 2.0  # longest that the end of a run waits for a collector
_provider: TracerProvider | None = None


class Span:
    """Something that goes on with a frame.

    Args:
        name: what.
        parent: of what it is a part, a `traceparent`; "": a trace of its own.
        began: when, by the monotonic clock.

    Attributes:
        trace: the `traceparent` of its own parts.
    """

    def __init__(self, tracer: Tracer, name: str, parent: str, began: float) -> None:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        propagator = TraceContextTextMapPropagator()
        within = propagator.extract({_PARENT: parent}) if parent else None
        self._span = tracer.start_span(name, within, start_time=_wall_ns(began))
        carrier: dict[str, str] = {}
        propagator.inject(carrier, trace.set_span_in_context(self._span))
        self.trace = carrier.get(_PARENT, parent)

    def end(self, at: float | None = None, /, **told: str | int) -> None:
        """It is over, by default now; `told`: what is known of it."""
        self._span.set_attributes({f"vidpipe.{name}": value for name, value in told.items()})
        self._span.end(_wall_ns(time.monotonic() if at is None else at))


def begin(name: str, parent: str, began: float) -> Span | None:
    """A span; None where this machine records none. Arguments as of `Span`."""
    tracer = _tracer()
    return None if tracer is None else Span(tracer, name, parent, began)


def note(name: str, parent: str, began: float, ended: float, **told: str | int) -> None:
    """A span that is over. Times by the monotonic clock."""
    if (span := begin(name, parent, began)) is not None:
        span.end(ended, **told)


def check_installed(what: str) -> None:
    """Raise ConfigError where nothing here records spans; `what` needs it."""
    extra("opentelemetry.sdk.trace", "otel", what)
    extra("opentelemetry.exporter.otlp.proto.http.trace_exporter", "otel", what)


def use(exporter: SpanExporter) -> None:
    """Have the spans of this process go there, each at once: for tests, and programs with a collector of their own."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    set_provider(made(SimpleSpanProcessor(exporter)))


def send() -> None:
    """Send what has not been sent yet, and wait for that, but not for long: the collector may be away."""
    if (provider := _provider) is not None:
        sending = threading.Thread(target=provider.force_flush, name="vidpipe-traces", daemon=True)
        sending.start()
        sending.join(_SEND_S)


@cache
def _tracer() -> Tracer | None:
    """What makes spans; None where the SDK is not installed."""
    if not is_installed("opentelemetry") or not is_installed("opentelemetry.sdk"):
        return None
    if _provider is None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        set_provider(made(BatchSpanProcessor(OTLPSpanExporter())))
    assert _provider is not None
    return _provider.get_tracer("vidpipe")


def made(processor: Any) -> TracerProvider:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    named: Mapping[str, str] = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": "vidpipe"}
    resource = Resource.create({**named, "process.pid": os.getpid()})
    # Which frames are sampled is decided before, by hash. What is left at the end is sent by `send`.
    provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider


def set_provider(provider: TracerProvider) -> None:
    global _provider
    _provider = provider
    _tracer.cache_clear()


def _wall_ns(monotonic: float) -> int:
    """The time of this machine's clock at a moment of its monotonic one."""
    return time.time_ns() - int((time.monotonic() - monotonic) * 1e9)
