"""`python -m benchmarks links shaped`: a link whose rate varies, with and without steps of quality and share.

No clock runs, so that the load of the machine changes nothing. Pictures, codec, models, the tracker, the emulated
network and all that decides what crosses are those of a run; only the threads between them are not there.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from benchmarks.footage import ASSETS
from benchmarks.links.quality import CLASSES, MODEL
from vidpipe.accuracy.reference.predictions import FramePrediction, series_of
from vidpipe.accuracy.reference.reference import reference
from vidpipe.accuracy.scores.box_score import count, total
from vidpipe.accuracy.series import Series
from vidpipe.cascade.audit import AuditSpec
from vidpipe.cascade.cascade import Cascade, Completed, Ticket
from vidpipe.cascade.runner import StageRunner
from vidpipe.cascade.stage import Context, Models
from vidpipe.core.answer import Answer, How
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.models.load import load_detector
from vidpipe.pipeline.spec import LinkSpec, RungSpec, ShaperSpec
from vidpipe.results.carried import Carried
from vidpipe.runtime.downstream import PendingResult
from vidpipe.runtime.links.outside import Outside
from vidpipe.runtime.links.room import Room
from vidpipe.runtime.transport import codec
from vidpipe.runtime.transport.emulator import LinkEmulator
from vidpipe.runtime.transport.pace import Pace, Step
from vidpipe.runtime.transport.traffic import Sent, Traffic
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source
from vidpipe.stages.detect.detect import in_source_pixels
from vidpipe.stages.track.track import Track, TrackConfig
from vidpipe.testing.clock import HandClock

CLIPS = ("vtest.avi", "urban_road_overpass.mp4")
RATES = (25.0, 7.5, 5.0, 25.0)
ROOM = 1.25  # of the first rate, over what the link's own setting needs
LOOK_S = 0.04  # that a look holds a call
DELAY_MS = 20.0
REFRESH_S = 0.1
TRACKED = TrackConfig(refresh_s=REFRESH_S)
LINKS = {
    "jpeg 85, adapts": LinkSpec(codec="jpeg", adapt=True),
    "jpeg 85": LinkSpec(codec="jpeg"),
    "jpeg 85, adapts in quality alone": LinkSpec(
        codec="jpeg", adapt=True, rungs=[RungSpec(quality=quality) for quality in (75, 50, 35, 20)]
    ),
    "webp 85, adapts": LinkSpec(codec="webp", adapt=True),
}
HEAD = """Boxes are tracked on the device, and looked for in the cloud (2003, {look:g} ms) every {refresh:g} s; what is
known is published at once, and late answers are learnt. The link has a delay of {delay:g} ms, and its rate goes 25,
7.5, 5, 25 in four equal parts of the clip, scaled so that the first is {room:g} of what jpeg 85 needs. Age: of the
picture that a published answer rests on. F1 against 2003 at every picture, and against that of the same link with no
lack of rate.
"""


class Ran(NamedTuple):
    """What was published, how old each answer's picture was, and what the link carried."""

    said: Series
    ages_s: list[float]
    carried: Carried


class _Arrival(NamedTuple):
    at_s: float
    number: int
    sent: Sent
    ticket: Ticket
    pending: PendingResult
    packed: codec.PackedFrame


class Run:
    """A clip over a link, in media time."""

    def __init__(self, clip: Path, spec: LinkSpec, shaper: ShaperSpec) -> None:
        self._clip = clip
        self._clock = HandClock()
        self._began_s = self._clock.monotonic()
        self._traffic = Traffic()
        self._pace = Pace(spec, self._traffic) if spec.adapt else None
        self._own = Step(spec)
        self._room = Room(spec, None)
        self._outside = Outside({"clip": 1.0}, self._room, self._traffic, self._pace, self._clock)
        self._emulator = LinkEmulator(shaper)
        self._arrivals: list[_Arrival] = []
        self._numbers = itertools.count()
        self._detector = load_detector(MODEL, CLASSES, search_paths=[ASSETS / "models"])
        runner = StageRunner("track", False, False, lambda _: _tracker(), CLASSES.names)
        self._cascade = Cascade([runner], AuditSpec(rate=0, max_unchecked_s=None), last="big")

    def run(self) -> Ran:
        """The whole clip."""
        knobs = Knobs(0, {"track": TRACKED})
        said: list[FramePrediction] = []
        ages_s: list[float] = []
        with closing(open_source("clip", StreamSpec(url=str(self._clip)), knobs=knobs)) as source:
            pts: list[float] = []
            for picture in source:
                pts.append(picture.pts)
                if not isinstance(picture, Frame):
                    said.append(FramePrediction.missed(picture))
                    continue
                self._turn_to(picture.pts)
                answer = self._ask(picture)
                said.append(FramePrediction.of(picture, answer.detections))
                if answer.as_of >= 0:
                    ages_s.append(picture.pts - pts[answer.as_of])
            info = source.info
        series = series_of(said, CLASSES.names, info.width, info.height)
        return Ran(series, ages_s, self._traffic.carried(self._now_s, ""))

    @property
    def _now_s(self) -> float:
        return self._clock.monotonic()

    def _ask(self, frame: Frame) -> Answer:
        """What is published of a frame; where the tracker passes it on, it goes to the link."""
        ticket = Ticket(frame)
        self._cascade.ask([ticket])
        if ticket.answer is not None:
            return self._cascade.complete(ticket).answer
        fallback = self._cascade.fallback(ticket, "late")
        self._cascade.published("clip", fallback)
        pending = PendingResult()
        self._traffic.ask(pending, self._now_s)
        if self._outside.enters(ticket, pending, 0, lost=False):
            self._send(ticket, pending)
        pending.completed.add_done_callback(
            lambda done: self._cascade.complete(ticket, done.result(), late=True)  # refused, or looked at
        )
        return fallback

    def _send(self, ticket: Ticket, pending: PendingResult) -> None:
        step = self._pace.step if self._pace else self._own
        self._room.take(0, counted=True)
        packed = codec.pack(ticket, step.spec, complete=True)
        self._room.correct(packed.nbytes)
        if self._pace:
            self._traffic.count(step.name)
            self._pace.packed(packed.nbytes, step)
        sent = self._traffic.send(1, packed.nbytes, self._now_s)
        at_s = self._emulator.arrival_s(self._now_s - self._began_s, packed.nbytes) + LOOK_S
        heapq.heappush(self._arrivals, _Arrival(at_s, next(self._numbers), sent, ticket, pending, packed))

    def _turn_to(self, pts: float) -> None:
        """All that has returned until a picture comes."""
        while self._arrivals and self._arrivals[0].at_s <= pts:
            arrival = heapq.heappop(self._arrivals)
            self._clock.turn(max(0.0, self._began_s + arrival.at_s - self._now_s))
            self._traffic.arrive(arrival.sent, [arrival.pending], LOOK_S, self._now_s)
            self._room.give_back(arrival.packed.nbytes, None, counted=True)
            frame = codec.unpack(arrival.packed, Knobs()).frame
            (found,) = self._detector.detect([frame.bgr()])
            answer = Answer(in_source_pixels(found, frame), How.MEASURED, "big", frame.seq)
            arrival.pending.complete(Completed(answer))
            while self._outside.may_enter(lost=False):
                self._send(*self._outside.take())
        self._clock.turn(max(0.0, self._began_s + pts - self._now_s))


def _tracker() -> Track:
    tracker = Track()
    tracker.id, tracker.config = "track", TRACKED
    # It asks for no model.
    tracker.open(Context("track", "clip", cast("Models", None), CLASSES.names, last=False, live=True))
    return tracker


def report(names: Sequence[str], folder: Path) -> Iterator[str]:
    """The section of the page, line by line; of these clips, or two."""
    yield HEAD.format(look=1000 * LOOK_S, refresh=REFRESH_S, delay=DELAY_MS, room=ROOM)
    yield "| clip | link | MB | age: median, 95 %, s | F1 | of unshaped | frames by setting |"
    yield "|---|---|---:|---:|---:|---:|---|"
    for clip in [ASSETS / "videos" / name for name in CLIPS if not names or name.split(".")[0] in names]:
        yield from _of_clip(clip)


def _of_clip(clip: Path) -> Iterator[str]:
    spec = StreamSpec(url=str(clip))
    paths = [ASSETS / "models"]
    truth = reference(spec, "clip", MODEL, CLASSES, search_paths=paths, progress=lambda _: None).sure()
    unshaped = Run(clip, LinkSpec(codec="jpeg"), ShaperSpec(delay_ms=DELAY_MS)).run()
    best = _f1(unshaped, truth)
    needed_mbps = unshaped.carried.bytes * 8e-6 / truth.video_s
    part_s = truth.video_s / len(RATES)
    trace = [(part_s * part, ROOM * needed_mbps * rate / RATES[0]) for part, rate in enumerate(RATES)]
    yield _row(clip.stem, f"jpeg 85, {needed_mbps:.1f} Mbps, unshaped", unshaped, best, best)
    for name, link in LINKS.items():
        ran = Run(clip, link, ShaperSpec(delay_ms=DELAY_MS, trace=trace)).run()
        yield _row(clip.stem, name, ran, _f1(ran, truth), best)


def _row(clip: str, name: str, ran: Ran, f1: float, best: float) -> str:
    median, late = np.percentile(ran.ages_s, [50, 95])
    settings = "; ".join(f"{setting}: {frames}" for setting, frames in sorted(ran.carried.settings.items()))
    megabytes = ran.carried.bytes / 1e6
    return f"| {clip} | {name} | {megabytes:.1f} | {median:.2f}, {late:.2f} | {f1:.3f} | {f1 / best:.3f} | {settings} |"


def _f1(ran: Ran, truth: Series) -> float:
    scored: Any = total(count(ran.said, truth))
    return float(scored.f1 or 0.0)
