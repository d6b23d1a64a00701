"""What Prometheus is told of a run, by its conventions: base units, counters of what only grows, one histogram."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from vidpipe.results.collector import Collector
from vidpipe.results.records import Counts
from vidpipe.results.status import StreamStatus
from vidpipe.sources.health import State

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_NS = 1e-9


def families(collector: Collector, statuses: Mapping[str, StreamStatus]) -> Iterator[Metric]:
    """All of it. Labels are names of streams, stages, models, links and sinks, states and reasons: a fixed set."""
    yield from _of_sources(statuses)
    yield _look_age(collector)
    yield from _of_frames(collector)
    yield from _of_accuracy(collector)
    yield from _of_taught(collector)
    yield from _of_sinks(collector)
    yield from _of_work(collector.counts())
    yield from _of_links(collector)
    yield _latency(collector)


def _of_sources(statuses: Mapping[str, StreamStatus]) -> Iterator[Metric]:
    state = GaugeMetricFamily(
        "vidpipe_stream_state", "1 for the state in which a live stream is.", labels=["stream", "state"]
    )
    info = InfoMetricFamily("vidpipe_stream", "What comes, and how it is decoded.", labels=["stream"])
    rates = GaugeMetricFamily("vidpipe_stream_fps", "Frames a second, over the last 5 s.", labels=["stream", "of"])
    for stream, status in statuses.items():
        health = status.health
        for each in State:
            state.add_metric([stream, each.value], float(each is health.state))
        size = f"{health.width}x{health.height}"
        info.add_metric([stream], {"codec": health.codec, "decoder": health.decoder, "size": size})
        for of, fps in status.rates._asdict().items():
            if of != "kbit_s":
                rates.add_metric([stream, of], fps)
    yield from (state, info, rates)
    yield _gauge("last_frame_age_seconds", "Time since the newest picture came.", statuses, lambda status: status.age_s)
    yield _gauge(
        "bits_per_second",
        "Bits of video a second, over the last 5 s.",
        statuses,
        lambda status: status.rates.kbit_s * 1000,
    )
    yield _counter("received", "Pictures that came over the wire.", statuses, lambda status: status.health.received)
    yield _counter(
        "decoded", "Pictures of these that were decoded whole.", statuses, lambda status: status.health.decoded
    )
    yield _counter("bytes", "Bytes of video that came over the wire.", statuses, lambda status: status.health.bytes)
    yield _counter("reconnects", "Connections made anew.", statuses, lambda status: status.health.reconnects)
    yield _counter("stalls", "How often pictures ceased to come.", statuses, lambda status: status.health.stalls)
    yield _counter(
        "out_of_sight_seconds", "Time without a picture, in all.", statuses, lambda status: status.health.gap_s
    )


def _latency(collector: Collector) -> Metric:
    latencies = collector.latencies
    counts = latencies.up_to([1000 * edge for edge in _BUCKETS_S])
    buckets = [(str(edge), count) for edge, count in zip((*_BUCKETS_S, "+Inf"), counts, strict=True)]
    help = "Age of answers at the sink, from capture (live) or decoding on."
    family = HistogramMetricFamily("vidpipe_latency_seconds", help)
    family.add_metric([], buckets, latencies.sum_ms / 1000)
    return family


def _of_work(counts: Counts) -> Iterator[Metric]:
    """What stages and models have done and taken; on Ray as of the last second."""
    stages = {
        "asked": CounterMetricFamily("vidpipe_stage_asked", "Frames that a stage was asked.", labels=["stage"]),
        "answered": CounterMetricFamily("vidpipe_stage_answered", "Frames that a stage answered.", labels=["stage"]),
        "errors": CounterMetricFamily("vidpipe_stage_errors", "How often a stage raised.", labels=["stage"]),
        "wall": CounterMetricFamily("vidpipe_stage_seconds", "Wall time in a stage.", labels=["stage"]),
        "cpu": CounterMetricFamily("vidpipe_stage_cpu_seconds", "CPU time in a stage.", labels=["stage"]),
    }
    for stage, meter in counts.stages.items():
        told = {"asked": meter.asked, "answered": meter.answered, "errors": meter.errors}
        for name, value in (told | {"wall": meter.wall_ns * _NS, "cpu": meter.cpu_ns * _NS}).items():
            stages[name].add_metric([stage], value)
    yield from stages.values()
    pictures = CounterMetricFamily("vidpipe_model_pictures", "Pictures that a model looked at.", labels=["model"])
    seconds = CounterMetricFamily("vidpipe_model_cpu_seconds", "CPU time of what a model looked at.", labels=["model"])
    for model, (calls, _, cpu_ns) in counts.models.items():
        pictures.add_metric([model], calls)
        seconds.add_metric([model], cpu_ns * _NS)
    deaths = CounterMetricFamily("vidpipe_actor_deaths", "Processes that died and were seen to.", labels=["actor"])
    for actor, times in counts.deaths.items():
        deaths.add_metric([actor], len(times))
    yield from (pictures, seconds, deaths)


def _look_age(collector: Collector) -> Metric:
    """Streams of which nobody has looked at a picture are missing."""
    help = "Time since a model last looked at a picture of the stream, as far as is known."
    age = GaugeMetricFamily("vidpipe_stream_look_age_seconds", help, labels=["stream"])
    for stream in collector.ledgers:
        if (seconds := collector.look_age_s(stream)) is not None:
            age.add_metric([stream], seconds)
    return age


def _of_frames(collector: Collector) -> Iterator[Metric]:
    ledgers = collector.ledgers.items()
    yield _counts("vidpipe_frames", "Frames, by how they were answered.", "how", ((s, led.how) for s, led in ledgers))
    yield _counts("vidpipe_answers", "Frames, by who answered them.", "by", ((s, led.by) for s, led in ledgers))
    yield _counts("vidpipe_dropped", "Frames lost, by reason.", "reason", ((s, led.dropped) for s, led in ledgers))
    yield _counts(
        "vidpipe_covered", "Frames not waited for, by reason.", "reason", ((s, led.covered) for s, led in ledgers)
    )
    help = "Frames whose answer is worth less, as a segment was away."
    degraded = CounterMetricFamily("vidpipe_degraded", help, labels=["stream"])
    refused = CounterMetricFamily("vidpipe_refused", "Frames passed on that nobody looked at.", labels=["stream"])
    checked = CounterMetricFamily(
        "vidpipe_audits", "Answers checked by chance, and what was wrong.", labels=["stream", "stage", "found"]
    )
    for stream, ledger in ledgers:
        degraded.add_metric([stream], ledger.degraded)
        refused.add_metric([stream], ledger.refused)
        for stage, audits in ledger.audits.items():
            for found, count in (("any", audits.audited), ("missed", audits.missed), ("false", audits.false)):
                checked.add_metric([stream, stage, found], count)
    yield from (degraded, refused, checked)
    late = CounterMetricFamily(
        "vidpipe_late", "Answers that came when another had been published.", labels=["stream", "by"]
    )
    for stream, ledger in ledgers:
        for stage, covers in ledger.late.items():
            late.add_metric([stream, stage], covers.total())
    yield late


def _of_sinks(collector: Collector) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("vidpipe_sink_waiting", "Events that wait to be delivered.", labels=["sink"])
    counted = CounterMetricFamily("vidpipe_sink_events", "What became of what sinks took.", labels=["sink", "what"])
    for sink, counts in collector.sink_counts().items():
        for what, count in counts.items():
            if what == "waiting":
                waiting.add_metric([sink], count)
            elif not what.endswith("waiting"):  # which also goes down
                counted.add_metric([sink, what], count)
    yield from (waiting, counted)


def _of_links(collector: Collector) -> Iterator[Metric]:
    """Of links inside one process only what they have carried is known."""
    frames = CounterMetricFamily("vidpipe_link_frames", "Frames that left for the next tier.", labels=["link"])
    sent = CounterMetricFamily(
        "vidpipe_link_bytes", "Bytes of the frames that left for the next tier.", labels=["link"]
    )
    packed = CounterMetricFamily(
        "vidpipe_link_setting_frames", "Frames by how they were packed, where that varies.", labels=["link", "setting"]
    )
    rate = GaugeMetricFamily(
        "vidpipe_link_bytes_per_second", "What a link carries while something is under way, lately.", labels=["link"]
    )
    waiting = GaugeMetricFamily("vidpipe_link_waiting", "Frames that have not arrived yet.", labels=["link"])
    age = GaugeMetricFamily(
        "vidpipe_link_age_seconds", "Since the oldest frame that has not arrived came to wait.", labels=["link"]
    )
    for link, carried in collector.counts().links.items():
        frames.add_metric([link], carried.frames)
        sent.add_metric([link], carried.bytes)
        for setting, count in carried.settings.items():
            packed.add_metric([link, setting], count)
        if carried.now is not None:
            waiting.add_metric([link], carried.now.waiting)
            age.add_metric([link], carried.now.age_s)
            if carried.now.mbps is not None:
                rate.add_metric([link], carried.now.mbps * 125_000)
    yield from (frames, sent, packed, rate, waiting, age)


def _of_accuracy(collector: Collector) -> Iterator[Metric]:
    """Streams of which nothing is known, or asked, are missing."""
    told = {stream: ledger.accuracy.summary() for stream, ledger in collector.ledgers.items()}
    names = {
        "f1": ("vidpipe_accuracy_f1", "F1 of published answers against the last stage, as `want` of the stream says."),
        "low": ("vidpipe_accuracy_low", "Lower end of the 95 % interval of that F1."),
        "high": ("vidpipe_accuracy_high", "Upper end of the 95 % interval of that F1."),
        "floor": ("vidpipe_floor", "The accuracy that is asked of a stream."),
    }
    for field, (name, help) in names.items():
        family = GaugeMetricFamily(name, help, labels=["stream"])
        for stream, accuracy in told.items():
            if accuracy[field] is not None:
                family.add_metric([stream], accuracy[field])
        yield family


def _of_taught(collector: Collector) -> Iterator[Metric]:
    """Of rules of kind learnt. What nobody knows is missing, but for the answers, which say so by being 0."""
    labels = ["stream", "rule"]
    f1 = {
        "estimate": ("vidpipe_taught_f1", "F1 of events on the examples that teaching held back."),
        "low": ("vidpipe_taught_f1_low", "Lower end of the 95 % interval of that F1."),
        "high": ("vidpipe_taught_f1_high", "Upper end of the 95 % interval of that F1."),
    }
    errs = {
        "rate": ("vidpipe_taught_errors", "Share of quiet windows that were missed, of told events that were false."),
        "low": ("vidpipe_taught_errors_low", "Lower end of the 95 % interval of that share."),
        "high": ("vidpipe_taught_errors_high", "Upper end of the 95 % interval of that share."),
        "of": ("vidpipe_taught_answers", "Answers of people that this share rests on."),
    }
    good = {field: GaugeMetricFamily(*named, labels=labels) for field, named in f1.items()}
    wrong = {field: GaugeMetricFamily(*named, labels=[*labels, "what"]) for field, named in errs.items()}
    for stream, rules in collector.taught().items():
        for rule, told in rules.items():
            for field, family in good.items():
                if told["held_back"] and (value := told["held_back"]["f1"][field]) is not None:
                    family.add_metric([stream, rule], value)
            for what, rate in told["audited"].items():
                for field, family in wrong.items():
                    if rate[field] is not None and (field == "of" or rate["of"]):
                        family.add_metric([stream, rule, what], rate[field])
    yield from (*good.values(), *wrong.values())


def _gauge(
    name: str, help: str, statuses: Mapping[str, StreamStatus], value: Callable[[StreamStatus], float | None]
) -> Metric:
    family = GaugeMetricFamily(f"vidpipe_stream_{name}", help, labels=["stream"])
    for stream, status in statuses.items():
        if (number := value(status)) is not None:
            family.add_metric([stream], number)
    return family


def _counter(
    name: str, help: str, statuses: Mapping[str, StreamStatus], value: Callable[[StreamStatus], float]
) -> Metric:
    family = CounterMetricFamily(f"vidpipe_stream_{name}", help, labels=["stream"])
    for stream, status in statuses.items():
        family.add_metric([stream], value(status))
    return family


def _counts(name: str, help: str, by: str, counted: Iterable[tuple[str, Mapping[str, int]]]) -> Metric:
    family = CounterMetricFamily(name, help, labels=["stream", by])
    for stream, counts in counted:
        for key, count in counts.items():
            family.add_metric([stream, key], count)
    return family
