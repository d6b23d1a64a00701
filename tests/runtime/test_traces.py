"""Traces of sampled frames. What must hold:

- each sampled frame is one trace with one root, and each span lies within the one that it is a part of;
- the context crosses every kind of link with the frame: in this process, to Ray's actors, to a server over TLS;
- which frames are sampled is chance that every engine agrees on; of the others nothing is recorded;
- a collector that is away ends nothing, and holds no run up.
"""

from __future__ import annotations

import gzip
import http.server
import json
import sys
import threading
from collections import Counter, defaultdict

import pytest

from tests import clips
from tests.runtime.linked import Measures, Passes, pipeline
from tests.runtime.remote.conftest import certificate, reaching, serve
from vidpipe.core import traces
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.spec import LinkSpec, Tier
from vidpipe.runtime.driver.run import run
from vidpipe.statistics.draw import draw

sdk = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")

__all__ = ["certificate", "reaching", "serve"]  # fixtures
FRAMES = 12
LINKS = {"device-edge": LinkSpec(), "edge-cloud": LinkSpec(codec="jpeg")}


class SharedPasses(Passes):
    shared = True


STAGES = [(Passes, Tier.DEVICE), (SharedPasses, Tier.EDGE), (Measures, Tier.CLOUD)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.encode(tmp_path_factory.mktemp("traced") / "clip.mp4", frames=FRAMES)


@pytest.fixture
def spans():
    """What this process records, with nothing before it."""
    exporter = sdk.InMemorySpanExporter()
    traces.use(exporter)
    return exporter.get_finished_spans


def by_trace(spans):
    traced = defaultdict(list)
    for span in spans:
        traced[span.context.trace_id].append(span)
    return list(traced.values())


def check_whole(spans):
    """Every span of a trace but one is a part of another, and began and ended within it, to a millisecond."""
    known = {span.context.span_id: span for span in spans}
    (root,) = [span for span in spans if span.parent is None]
    assert root.name == "frame"
    for span in spans:
        if span is not root:
            within = known[span.parent.span_id]
            assert within.start_time - 1e6 <= span.start_time <= span.end_time <= within.end_time + 1e6, span.name
    return root


def test_each_frame_is_a_trace_with_its_stages_links_and_queues(spans, clip):
    run(pipeline({"gate": clip}, STAGES, links=LINKS), engine="inline", traces=1)
    found = by_trace(spans())
    roots = [check_whole(trace) for trace in found]
    assert sorted(root.attributes["vidpipe.seq"] for root in roots) == list(range(FRAMES))
    assert {root.attributes["vidpipe.stream"] for root in roots} == {"gate"}
    assert {(root.attributes["vidpipe.how"], root.attributes["vidpipe.by"]) for root in roots} == {("measured", "s2")}
    for trace in found:
        names = Counter(span.name for span in trace)
        stages = {"stage s0", "stage s1", "stage s2"}
        assert names == dict.fromkeys({"frame", "source", "queue of edge", "queue of cloud", *stages}, 1)
        said = {span.name: span.attributes["vidpipe.says"] for span in trace if span.name in stages}
        assert said == {"stage s0": "passed on", "stage s1": "passed on", "stage s2": "measured"}


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_so_many_frames_are_sampled_by_a_chance_that_all_agree_on(spans, clip, share):
    run(pipeline({"gate": clip}, STAGES), engine="inline", traces=share)
    sampled = [seq for seq in range(FRAMES) if draw("traces", "gate", seq) < share]
    roots = [span for span in spans() if span.parent is None]
    assert sorted(root.attributes["vidpipe.seq"] for root in roots) == sampled


def test_the_context_crosses_to_a_server(spans, clip, serve, reaching):
    alone = pipeline({"gate": clip}, STAGES, links=LINKS)
    run(reaching(alone, serve(alone).port), engine="inline", traces=1)
    for trace in by_trace(spans()):
        check_whole(trace)
        named = {span.name: span for span in trace}
        link = named["link edge-cloud"]
        assert link.attributes["vidpipe.bytes"] > 0
        for part in ("wait for edge-cloud", "queue of cloud", "stage s2"):
            assert named[part].parent.span_id == link.context.span_id
        assert named["stage s1"].parent.span_id == named["frame"].context.span_id


class Collector:
    """Takes traces by OTLP over HTTP; `spans` are (process, name, span, trace, parent)."""

    def __init__(self):
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        spans = self.spans = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    told = {each.key: each.value for each in resource.resource.attributes}
                    for scope in resource.scope_spans:
                        for span in scope.spans:
                            ids = span.span_id, span.trace_id, span.parent_span_id
                            spans.append((told["process.pid"].int_value, span.name, *ids))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.long
@pytest.mark.ray
def test_the_context_crosses_to_actors_and_all_send_to_the_collector(tmp_path, clip, monkeypatch):
    from tests.cli.conftest import Shell

    collector = Collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address)
    shell = Shell(tmp_path)
    stage = {"type": "tests.runtime.test_traces:SharedPasses", "isolate": True}
    stages = [{"id": "s0", "on": "device", **stage}]
    stages += [{"id": "s2", "on": "cloud", "type": "tests.runtime.linked:Measures", "isolate": True}]
    shell.write("p.yaml", json.dumps({"classes": {"class0": "a", "class1": "b"}, "stages": stages}))
    try:
        said = shell.vidpipe("run", "p.yaml", "--source", clip, "--engine", "ray", "--traces", "1")
        assert said.status == 0, said.err
    finally:
        shell.clean_up()
        collector.close()
    processes = {
        name: {process for process, other, *_ in collector.spans if other == name} for name in ("frame", "stage s2")
    }
    assert len(processes["frame"] | processes["stage s2"]) == 2
    known = {span: trace for _, _, span, trace, _ in collector.spans}
    assert len(set(known.values())) == FRAMES
    for _, name, _, trace, parent in collector.spans:
        assert name == "frame" or known[parent] == trace, name


@pytest.mark.long
def test_a_collector_that_is_away_holds_no_run_up(clip):
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    is_back = threading.Event()

    class Away(SpanExporter):
        def export(self, spans):
            is_back.wait()
            return SpanExportResult.FAILURE

    traces.set_provider(traces.made(BatchSpanProcessor(Away())))
    try:
        outcome = run(pipeline({"gate": clip}, STAGES), engine="inline", traces=1)  # nobody is back before it ends
        assert outcome.exit_status == 0
    finally:
        is_back.set()


def test_without_the_sdk_nothing_begins_and_the_extra_is_named(clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigError, match=r"pip install 'vidpipe\[otel\]'"):
        run(pipeline({"gate": clip}, STAGES), engine="inline", traces=1)
