"""A gate that has learnt its stream: says where nothing is to be found (NoScope section 4; FFS-VA's SNM).

A small network, trained on what the last stage said of this very camera, scores each frame's preview. Below `low` the
frame is answered `empty`; what scores more is passed on, unless only presence is wanted and the score reaches `high`.
Where there is no gate, or none that fits this camera, every frame is passed on, and the reason is said once. When
audits say that presence is said of more than `max_false` of the frames without a target, it is not said any more.
"""

from __future__ import annotations

import logging
import pickle
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, SecretStr, model_validator

from vidpipe.cascade.stage import Context, Stage
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.errors import ConfigError, VidpipeError
from vidpipe.core.extras import how_to_install, is_installed
from vidpipe.core.frame import Frame
from vidpipe.core.settings import ClassName, Knob, StageConfig
from vidpipe.models.base import Score
from vidpipe.models.gate import SUFFIX, Gate, GateNetwork
from vidpipe.stages.gate.examples import picture_of
from vidpipe.stages.gate.ongoing import Aim, Ongoing, shows
from vidpipe.stages.gate.versions import Versions, made_private
from vidpipe.statistics.drift import Drift, figures
from vidpipe.statistics.misses import Misses

log = logging.getLogger(__name__)

Share = Annotated[float, Field(gt=0, lt=1)]


class GateConfig(StageConfig):
    weights: str | None = Field(
        default=None,
        description="the stream's gate: a .gate file, or a folder of versions; `{stream}` in it is replaced by the "
        "stream's name; default: none, every frame is passed on",
    )
    low: Score | None = Knob(None, description="answer `empty` under this score; default: the gate's own")
    high: Score | None = Knob(
        None, description="with `want: presence`, answer from this score on; default: the gate's own"
    )
    filter_degree: Score | None = Knob(
        None, description="moves `low` towards `high`: 0 filters as the gate itself would, 1 decides every frame"
    )
    want: Literal["boxes", "presence"] = Field(
        default="boxes", description="presence: only whether a target is there, as one box of the whole frame"
    )
    learn: bool = Field(
        default=False,
        description="go on learning from later answers; versions go to `weights`, or beside it where that is a file",
    )
    targets: list[ClassName] = Field(default=[], description="with `learn`: classes to look for; default: all")
    max_miss: Share = Field(
        default=0.01, description="with `learn`: share of the frames with a target that may be answered `empty`"
    )
    max_false: Share = Field(
        default=0.01,
        description="with `want: presence`: share of the frames without a target that may be reported as having one",
    )
    group: str | None = Field(
        default=None,
        description="with `learn`: a folder in which cameras of one kind share what their gates have learnt, so that a "
        "new one begins with it; no picture goes there; default: none",
    )
    group_key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="what updates in `group` are signed with, as `${env:NAME}` or `${file:PATH}`; default: they are "
        "not, and whoever may write into the folder is trusted",
    )
    cpu_share: Share = Field(default=0.25, description="with `learn`: of one core, for training; in replay all of it")
    enabled: bool = Knob(True, description="false: passes every frame on")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low is {self.low:g}, above high, {self.high:g}: swap them")
        if self.learn and (self.low is not None or self.high is not None):
            raise ValueError("learn brings thresholds with each version: leave low and high out")
        if self.group is not None and not self.learn:
            raise ValueError("group is what a gate learns with others: it needs `learn: true`")
        if self.group_key is not None and self.group is None:
            raise ValueError("group_key signs what goes to a group: it needs `group`")
        return self

    def loosened(self) -> Mapping[str, Any]:
        """See `StageConfig.loosened`: fewer frames are `empty`. The gate's own threshold stays the gate's."""
        if self.filter_degree:
            return {"filter_degree": 0.0 if self.filter_degree < 0.05 else round(self.filter_degree / 2, 3)}
        return {"low": round(0.7 * self.low, 4)} if self.low else {}


class Thresholds(NamedTuple):
    """What is answered: `empty` under `low`, that a target is there from `high` on. None: never."""

    low: float | None
    high: float | None


class Asked(NamedTuple):
    """Kept of a frame that the gate may hear of again: what it answered; None: it passed it on."""

    how: How | None


class GateStage(Stage[GateConfig]):
    """Answers `empty` where its network finds no target; with `want: presence` also that there is one."""

    can_be_last = False
    learns_checked = True  # audits of stages above are labels as well
    Config = GateConfig

    def open(self, context: Context) -> None:
        nothing()  # imports what answers are made of now, not under the first frame
        self._stream = context.stream or ""
        self._classes = tuple(context.classes)
        self._told = ""
        self._counts: Counter[str] = Counter()
        self._network: GateNetwork | None = None
        self._drift = Drift()
        self._moved = ""
        self._for_good = False
        self._ongoing: Ongoing | None = None
        # Of what is wrongly said to be there: here what is withheld is that a frame is empty.
        self._alarms = Misses()
        self._too_many = ""  # why presence is not said any more
        self._open_weights(context)

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        (frame,) = frames
        if not self.config.enabled:
            return [None]
        if self._network is not None:
            self._watch(frame, self._network.gate)
        if self._ongoing is not None:
            self._learn_on(frame, self._ongoing)
        answer = self._judged(frame)
        if self.learns(self.config):  # nobody is told of the others' frames again
            self._note(frame, answer.how if answer else None)
        return [answer]

    def learn(self, frame: Frame, answer: Answer) -> None:
        if answer.how is not How.MEASURED or answer.as_of != frame.seq or answer.partial:
            return
        asked = frame.memos.get(self.id)
        audited = answer.audit_of == self.id
        if self._ongoing is not None:
            missed = audited and asked == Asked(How.EMPTY)
            self._ongoing.learn(frame, answer.detections, passed=asked == Asked(None), audited=missed)
        if self.config.want == "presence" and self._network is not None:
            empty = not shows(answer.detections, self._network.gate.targets)
            alarm = audited and asked == Asked(How.MEASURED)
            self._alarms.learn(empty, passed=asked == Asked(None), audited=alarm)
            if alarm and empty:
                self._judge_alarms()

    def snapshot(self) -> Any:
        # As bytes: the stage goes on before anybody sends it. No picture is in it.
        state = None if self._ongoing is None else self._ongoing.state
        presence = self._alarms, self._too_many
        return pickle.dumps((self._drift, self._moved, self._for_good, state, presence))

    def restore(self, state: Any) -> None:
        self._drift, self._moved, self._for_good, ongoing, presence = pickle.loads(state)
        self._alarms, self._too_many = presence
        if self._ongoing is not None and ongoing is not None:
            self._ongoing.restore(ongoing)

    def close(self) -> None:
        if self._ongoing is not None:
            self._ongoing.close()

    @property
    def counts(self) -> Counter[str]:
        """Frames that were passed on for another reason than the score, by that; new gates; what a group was told."""
        return self._counts if self._ongoing is None else self._counts + self._ongoing.counts

    @classmethod
    def learns(cls, config: GateConfig) -> bool:
        return config.learn or config.want == "presence"

    def _note(self, frame: Frame, how: How | None) -> None:
        frame.memos[self.id] = Asked(how)
        self._alarms.asked(None if how is None else how is How.EMPTY)
        if self._ongoing is not None:
            self._ongoing.asked(how)

    def _judged(self, frame: Frame) -> Answer | None:
        """The answer by the gate in force; None where it passes the frame on, or may not be asked."""
        if self._network is None:
            self._counts["no gate"] += 1
        elif self._moved:
            self._counts["scene has changed"] += 1
        elif self._ongoing is not None and self._ongoing.passes_all:
            self._counts["held open"] += 1
        else:
            return self._decided(frame, self._network.score(picture_of(frame)), self._network.gate)
        return None

    def _decided(self, frame: Frame, score: float, gate: Gate) -> Answer | None:
        low, high = thresholds(self.config, gate)
        if low is not None and score < low:
            return Answer(nothing(), How.EMPTY, self.id, frame.seq, f"score {score:.3g} < {low:.3g}")
        if self.config.want == "presence" and high is not None and score >= high:
            if not self._too_many:
                return self._presence(frame, score, gate)
            self._counts["too many false alarms"] += 1
        return None

    def _judge_alarms(self) -> None:
        """Say presence no more where audits say that false alarms have left their budget."""
        alarms, most = self._alarms, self.config.max_false
        wrong = alarms.rate()
        if wrong.low <= most or self._too_many:
            return
        self._too_many = (
            f"{alarms.missed} of {alarms.audited} audits: presence is said of {wrong.low:.1%} at least of the frames "
            f"without a target, not {most:.1%}"
        )
        self._say(f"{self._too_many}: it is not said any more", topic="false alarms")
        if self._ongoing is not None:
            self._ongoing.want(self._too_many, holds_open=False)

    def _presence(self, frame: Frame, score: float, gate: Gate) -> Answer | None:
        import supervision as sv

        if len(gate.targets) != 1 or gate.targets[0] not in self._classes:
            named = ", ".join(gate.targets) or "anything"
            self._say(f"it looks for {named}, and presence needs one class of the pipeline: nothing is answered so")
            return None
        (target,) = gate.targets
        boxes = sv.Detections(
            xyxy=np.array([[0, 0, frame.width, frame.height]], np.float32),
            confidence=np.array([score], np.float32),
            class_id=np.array([self._classes.index(target)]),
            data={"class_name": np.array([target])},
        )
        return Answer(boxes, How.MEASURED, self.id, frame.seq, "presence")

    def _open_weights(self, context: Context) -> None:
        """Make ready what there is; a gate that is to learn may begin without a version."""
        if self.config.weights is None:
            if self.config.enabled:
                self._say("it has no weights: every frame is passed on")
            return
        path = Path(self.config.weights.replace("{stream}", self._stream))
        try:
            if self.config.learn:
                self._ongoing = self._learning(path, context)
            gate = self._gate(path)
            self._network = None if gate is None else GateNetwork(gate)
        except VidpipeError as error:
            self._say(f"{error}: every frame is passed on")

    def _learning(self, path: Path, context: Context) -> Ongoing:
        if not is_installed("torch"):
            raise ConfigError(f"to learn takes torch: `{how_to_install('torch')}`, or leave `learn` out")
        config = self.config
        key = b"" if config.group_key is None else config.group_key.get_secret_value().encode()
        group = None if config.group is None else made_private(Path(config.group))
        aim = Aim(frozenset(config.targets), config.max_miss, config.max_false, config.cpu_share, group, key)
        folder = path
        if path.suffix == SUFFIX:
            folder = path.with_suffix("")
            if not Versions(folder).history:
                Versions(folder).add(Gate.load(path), f"{path.name} as it was given")
        return Ongoing(folder, self._stream, self._classes, aim, live=context.live)

    def _gate(self, path: Path) -> Gate | None:
        """The gate in force; None where there is none yet."""
        if self._ongoing is not None:
            return self._ongoing.versions.gate()
        if path.suffix == SUFFIX:
            return Gate.load(path)
        gate = Versions(path).gate()
        if gate is None:
            self._say(f"no version is in force in {path}: every frame is passed on")
        return gate

    def _watch(self, frame: Frame, gate: Gate) -> None:
        """Note whether the scene looks as it did when the gate was trained; every second of media time."""
        if gate.size != (frame.width, frame.height) or picture_of(frame).shape != gate.picture:
            trained, given = (f"{width} x {height}" for width, height in (gate.size, (frame.width, frame.height)))
            self._moved, self._for_good = f"trained on pictures of {trained} (stream {gate.stream}), not {given}", True
        elif self._drift.due(frame.pts):
            self._drift.add(frame.pts, figures(picture_of(frame), gate.normal.scene))
            self._moved = self._drift.moved(gate.normal.low, gate.normal.high)
            self._for_good = self._drift.sure
        if self._moved and self._for_good and self._ongoing is None:  # which says so itself
            self._say(f"{self._moved}: every frame is passed on", topic=self._moved.partition(" is ")[0])

    def _learn_on(self, frame: Frame, ongoing: Ongoing) -> None:
        """Bring a new gate into force where there is one, from this frame on."""
        gate = None if self._network is None else self._network.gate
        new = ongoing.see(frame.pts, gate, self._moved if self._for_good else "")
        if new is not None:
            self._network, self._drift, self._moved = GateNetwork(new), Drift(), ""
            self._alarms, self._too_many = Misses(), ""
            self._counts["new gate"] += 1

    def _say(self, why_not: str, topic: str | None = None) -> None:
        """Tell why nothing is answered, once until the topic changes: figures in the message may."""
        topic = topic or why_not
        if topic != self._told:
            self._told = topic
            log.warning("stream %s: gate %s: %s", self._stream, self.id, why_not)


def thresholds(config: GateConfig, gate: Gate) -> Thresholds:
    """Those in force: of the settings, else the gate's own, moved by `filter_degree`.

    FFS-VA's one knob: t = (c_high - c_low) * FilterDegree + c_low, under which frames are dropped.
    """
    low = gate.low if config.low is None else config.low
    high = gate.high if config.high is None else config.high
    if config.filter_degree is not None and low is not None and high is not None:
        low += max(0.0, high - low) * config.filter_degree
    return Thresholds(low, high)
