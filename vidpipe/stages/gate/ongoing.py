"""Learning that goes on while a gate runs (JITL and EarlyDiscard, Wang et al., SEC 2018; NoScope's drift, section 7).

Every frame that the last stage looked at is a label. When audits say that the gate misses more than it may, or the
scene no longer looks as it did, the gate is held open at once: every frame is passed on, and so labelled. What comes in
is trained on in the background, validated on other times, and put in force between two frames. A gate that passes much
in vain is trained anew as well, with those very frames among its examples, and stays in force meanwhile.

A recording must come out the same however fast the machine trains: there a gate is put in force a fixed media time
after its training began, and waited for if need be. Live nothing waits.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vidpipe.core.answer import How
from vidpipe.core.errors import ConfigError, RunError, VidpipeError
from vidpipe.core.frame import Frame
from vidpipe.models.gate import Gate
from vidpipe.stages.gate.enough import check, check_shared
from vidpipe.stages.gate.examples import Collector, Examples
from vidpipe.stages.gate.job import Job, Task
from vidpipe.stages.gate.together import Group
from vidpipe.stages.gate.versions import EMPTY_RECOGNISED, Versions, made_private
from vidpipe.statistics.drift import LIGHT
from vidpipe.statistics.misses import Misses

if TYPE_CHECKING:
    import supervision as sv

log = logging.getLogger(__name__)

EXAMPLES = "examples.npz"
MOST = 2500  # examples kept: 45 MB
SWAP_S = 30.0  # media time from the beginning of a training to the new gate
RETRY_S = 60.0  # media time to the next training where one came to nothing; doubles each time
_MOST_RETRY_S = 3600.0
_EVERY_S = 0.2  # media time between examples: neighbours are nearly copies
_VAIN = 0.05  # share of the frames without a target that may be passed on beyond what validation found
_ARCHITECTURE = "80x3"
_SCENE = "the scene has changed"


def shows(seen: sv.Detections, targets: Collection[str]) -> bool:
    """Whether any of these classes was seen; any box at all where none is named."""
    if not len(seen) or not targets:
        return bool(len(seen))
    return not set(targets).isdisjoint(np.asarray(seen.data["class_name"]).tolist())


@dataclass(frozen=True, slots=True)
class Aim:
    """What is learnt.

    Attributes:
        targets: names of the classes to look for; none: all.
        max_miss: share of the frames with a target that may be answered `empty`.
        max_false: share of the frames without that may be said to have one.
        cpu_share: of one core, for training, live.
        group: folder in which cameras share what they have learnt; None: this one learns alone.
        key: that updates in it are signed with; empty: they are not.
    """

    targets: frozenset[str]
    max_miss: float
    max_false: float
    cpu_share: float
    group: Path | None = None
    key: bytes = field(default=b"", repr=False)


@dataclass(slots=True)
class State:
    """What survives a restart; no picture is in it.

    Attributes:
        number: version that all of this is about.
        open_because: why every frame is passed on; "": the gate is in force.
        anew_because: why a new gate is wanted; "": it is not.
        tried_s: media time of the last training.
        retry_s: media time from then on until the next.
        misses: counts since the version is in force.
    """

    number: int | None
    open_because: str = ""
    anew_because: str = ""
    tried_s: float = -math.inf
    retry_s: float = RETRY_S
    misses: Misses = field(default_factory=Misses)


class Ongoing:
    """Learns for the gate of one stream.

    Args:
        folder: of its versions; made if need be.
        stream: its name.
        classes: of the pipeline.
        live: whether nothing may wait for a training.

    Raises:
        ModelError: the versions cannot be read.
        RunError: the folder cannot be made.
    """

    def __init__(self, folder: Path, stream: str, classes: Sequence[str], aim: Aim, *, live: bool) -> None:
        made_private(folder)
        self.versions = Versions(folder)
        self.state = State(self.versions.active)
        self.counts: Counter[str] = Counter()  # of what was shared with a group
        self._group = None if aim.group is None else Group(aim.group)  # here only to see whether there are others
        self._alone = True  # whether there was enough for a training without the group
        self._stream = stream
        self._aim = aim
        self._live = live
        self._collector = Collector(stream, classes, MOST)
        self._collected_s = -math.inf
        self._job: Job | None = None
        self._take_up_examples(classes)

    @property
    def passes_all(self) -> bool:
        """Whether the gate must not answer."""
        return bool(self.state.open_because)

    def see(self, pts: float, gate: Gate | None, moved: str) -> Gate | None:
        """What to do before a frame is asked about; gives a gate that is to be in force from this frame on.

        Args:
            gate: in force now.
            moved: what of the scene has drifted for good; "": nothing.
        """
        if gate is None:
            self.want("there is none yet", holds_open=True)
        elif not moved and self.state.open_because.startswith(_SCENE):
            self.state.open_because = ""
        elif moved and not self.passes_all:
            self.want(f"{_SCENE}: {moved}", holds_open=True)
            if not moved.startswith(LIGHT):
                # Another view: what was learnt of the old one would only mislead, and so would a gate on its way.
                self._collector = self._collector.afresh()
                self._stop_training()
        if self._job is not None:
            return self._finished(pts, self._job)
        if self.state.anew_because and not 0 <= pts - self.state.tried_s < self.state.retry_s:
            self._begin(pts, gate)
        return None

    def asked(self, how: How | None) -> None:
        """What the gate made of a frame, to be audited or not; None: it passed it on."""
        self.state.misses.asked(None if how is None else how is not How.EMPTY)

    def learn(self, frame: Frame, seen: sv.Detections, *, passed: bool, audited: bool) -> None:
        """What the last stage saw in a frame.

        Args:
            passed: whether the gate had no answer to it.
            audited: whether it was answered `empty`, and audited: forced looks are no random sample.
        """
        there = shows(seen, self._aim.targets)
        self.state.misses.learn(there, passed=passed, audited=audited)
        if (audited and there) or not 0 <= frame.pts - self._collected_s < _EVERY_S:
            self._collect(frame, seen)
            self._collected_s = frame.pts
        if audited or passed:
            self._judge()

    def _collect(self, frame: Frame, seen: sv.Detections) -> None:
        if self._collector.size not in (None, (frame.width, frame.height)):
            self._collector = self._collector.afresh()
        self._collector.add(frame, seen)

    def close(self) -> None:
        """Keep what was learnt from, and end a training under way."""
        self._stop_training()
        if not len(self._collector):
            return
        try:
            self._collector.examples().save(self.versions.folder / EXAMPLES)
        except RunError as error:  # the run itself has ended well
            log.warning("stream %s: %s", self._stream, error)

    def _judge(self) -> None:
        """Hold the gate open where its misses have left the budget; want a better one where it passes much in vain."""
        if self.passes_all or self.state.number is None:
            return
        misses, most = self.state.misses, self._aim.max_miss
        missed = misses.rate()
        if missed.low > most:
            because = f"{misses.missed} of {misses.audited} audits: it misses {missed.low:.1%} at least, not {most:.1%}"
            self.want(because, holds_open=True)
        expected = self.versions.history[-1].evidence.get(EMPTY_RECOGNISED)
        if self.state.anew_because or expected is None:
            return
        vain = misses.in_vain()
        if vain.low > 1 - expected + _VAIN:
            because = f"it passes {vain.low:.0%} at least of the empty frames, not {1 - expected:.0%}"
            self.want(because, holds_open=False)

    def want(self, because: str, *, holds_open: bool) -> None:
        """Want a new gate; the first reason is the one that is kept with it, and what holds it open before others."""
        state = self.state
        if holds_open and not state.open_because:
            state.open_because = state.anew_because = because
            log.warning("stream %s: every frame passes the gate: %s", self._stream, because)
        state.anew_because = state.anew_because or because

    def _begin(self, pts: float, gate: Gate | None) -> None:
        """Start a training, if there is enough to learn from."""
        self.state.tried_s = pts
        try:
            examples = self._collector.examples()
            self._check(examples)
            folder = made_private(self.versions.folder / "training")
            self._job = Job(folder, self._task(gate), examples, self._aim.key)
        except VidpipeError as error:
            log.info("stream %s: no new gate yet: %s", self._stream, error)

    def _check(self, examples: Examples) -> None:
        """Raise ConfigError where there is too little to learn from; a gate of the group needs less."""
        targets = sorted(self._aim.targets)
        try:
            check(examples, targets)
            self._alone = True
        except ConfigError:
            if self._group is None or not self._group.has_others(self._stream):
                raise
            check_shared(examples, targets)
            self._alone = False

    def _task(self, gate: Gate | None) -> Task:
        architecture = _ARCHITECTURE if gate is None else str(gate.evidence.get("architecture", _ARCHITECTURE))
        aim = self._aim
        share = aim.cpu_share if self._live else 1.0
        return Task(
            sorted(aim.targets),
            architecture,
            aim.max_miss,
            aim.max_false,
            share,
            seed=len(self.versions.history),
            group=None if aim.group is None else str(aim.group),
            # What has been learnt here already is no worse than a beginning from others.
            adopt=gate is None or not self._alone,
            train=self._alone,
        )

    def _finished(self, pts: float, job: Job) -> Gate | None:
        """The gate that was trained, once its time has come."""
        if 0 <= pts - self.state.tried_s < SWAP_S or (self._live and not job.done):
            return None
        self._job = None
        try:
            try:
                gate = job.result()
            finally:
                self.counts.update(job.shared())
            number = self.versions.add(gate, self.state.anew_because, pts)
        except VidpipeError as error:
            if self._alone:  # else what the others have must not make this camera wait longer than it would alone
                self.state.retry_s = min(2 * self.state.retry_s, _MOST_RETRY_S)
            log.info("stream %s: no new gate: %s", self._stream, error)
            return None
        log.info("stream %s: gate %d is in force: %s", self._stream, number, self.state.anew_because)
        self.state = State(number, tried_s=pts)
        return gate

    def _stop_training(self) -> None:
        if self._job is not None:
            self._job.stop()
            self._job = None

    def _take_up_examples(self, classes: Sequence[str]) -> None:
        file = self.versions.folder / EXAMPLES
        if not file.exists():
            return
        try:
            examples = Examples.load(file)
            if examples.classes != tuple(classes):
                raise ConfigError(f"examples {file}: of other classes: {', '.join(examples.classes) or 'none'}")
            self._collector.take_up(examples)
        except ConfigError as error:
            log.warning("stream %s: %s: beginning without them", self._stream, error)

    def restore(self, state: State) -> None:
        """Go on from the `state` of an earlier instance; a training that was under way begins again."""
        if state.number == self.versions.active:
            self.state = state
