"""What a clip costs at a floor of accuracy when the learner may look, too, against what is chosen without it.

The learner is one more variant among those that a search chooses from: the same replay, bounds and floors. It is
judged on the frames between what was learnt and what is scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.held import FITTED, PIPELINE
from benchmarks.learner.learning import SHARES, Stage, told
from benchmarks.learner.net import Rows, shrunk
from benchmarks.learner.scenes import BIG, Watched, clip_of, pictures_of
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.bench.clip import outline
from vidpipe.core.progress import Silent
from vidpipe.models.base import ModelSpec
from vidpipe.pipeline.yaml.load import load
from vidpipe.sources.base import StreamSpec
from vidpipe.tuning.floor.configuration import model_of_stage, roles_of
from vidpipe.tuning.floor.evidence import evidence
from vidpipe.tuning.floor.footage import variants_of
from vidpipe.tuning.floor.replay import replay
from vidpipe.tuning.floor.search import Stretch, Tried, search
from vidpipe.tuning.looks import Look, Variant, look

LEARNER = Variant("learner")
JUDGED, SCORED = 0.2, 0.6  # shares of a clip from which a search judges the learner, and from which it is scored


class Choice(NamedTuple):
    """What was chosen, on the frames that nothing was chosen on.

    Attributes:
        cpu_s: CPU seconds an hour, without training.
        f1: None: there was nothing to find.
    """

    configuration: str
    f1: float | None
    cpu_s: float
    learns: bool


class Bill:
    """A clip with the looks of every variant at each of its frames, and what follows from them.

    Attributes:
        scene: the clip, as a learner sees it.
        big_ms, little_ms: of a look.
    """

    def __init__(self, name: str, teach_s: float) -> None:
        url = str(clip_of(name))
        roles = roles_of(load(PIPELINE, sources={"clip": url}))
        models = roles.pipeline.models | {LEARNER.model: ModelSpec(path=BIG[0])}  # only its looks are ever asked for
        self._roles = replace(roles, pipeline=replace(roles.pipeline, models=models))
        self._big = Variant(model_of_stage(roles.pipeline, roles.last))
        frames = outline("clip", StreamSpec(url=url), roles.pipeline.classes.names)
        self._url, self._pts, self._frame_s = url, frames.pts, 1 / frames.fps
        border = round(FITTED * frames.frames)
        parts = [self._spec(0, border), self._spec(border, frames.frames)]
        self._looks = {variant: self._look(variant, parts) for variant in (self._big, *variants_of(roles))}
        little = Variant(model_of_stage(roles.pipeline, roles.little or ""))
        self.big_ms, self.little_ms = self._looks[self._big].cpu_ms, self._looks[little].cpu_ms
        small = {pts: shrunk(picture) for pts, picture in pictures_of(name)}
        blank = np.zeros_like(next(iter(small.values())))  # what could not be decoded
        due = np.diff(np.floor((self._pts - self._pts[0]) / teach_s + 1e-6), prepend=-1) > 0
        self.scene = Watched(
            name,
            np.stack([small.get(pts, blank) for pts in self._pts.tolist()]),
            self._pts,
            _rows(self._looks[self._big].predictions.series),
            _rows(self._looks[little].predictions.series),
            (frames.width, frames.height),
            due & self._looks[self._big].predictions.series.known,
        )

    def chosen(self, floor: float, stages: Sequence[Stage], learner_ms: float) -> tuple[Choice, Choice]:
        """The choice without the learner, and with it.

        Args:
            stages: what was learnt by `SHARES`.
            learner_ms: CPU time of its look.
        """
        judged, scored = (round(share * len(self._pts)) for share in (JUDGED, SCORED))
        without = self._choice(self._looks, floor, judged, scored)
        learner = self._learner(stages, learner_ms)
        fit = self._stretch({self._big: self._looks[self._big], LEARNER: learner}, judged, scored)
        if evidence([fit.looks[LEARNER].predictions.sure()], [fit.truth]).low < floor:
            return without, without  # with what does not hold at every frame the search is the same
        return without, self._choice(self._looks | {LEARNER: learner}, floor, judged, scored)

    def _choice(self, looks: Mapping[Variant, Look], floor: float, judged: int, scored: int) -> Choice:
        fit, rest = self._stretch(looks, judged, scored), self._stretch(looks, scored, len(self._pts))
        best: Tried = search(self._roles, "clip", [fit], floor, "boxes", Silent(), decodings=()).chosen
        settings = self._roles.settings(best.configuration, floor if best.guarded else None)
        (run,) = replay(self._roles.pipeline, "clip", rest.spec, rest.looks, [settings])
        frames = run.series.frames
        looks_ms = sum(number * looks[variant].cpu_ms for variant, number in run.looks.items()) / frames
        cpu_ms = looks[self._big].predictions.decode_cpu_ms + run.stages_ms + looks_ms
        f1 = evidence([run.series], [rest.truth]).value
        return Choice(str(best.configuration), f1, 3.6 * cpu_ms / self._frame_s, best.configuration.looker == LEARNER)

    def _learner(self, stages: Sequence[Stage], cpu_ms: float) -> Look:
        """What the learner says of each frame, each time the newest that has not seen it."""
        frames = len(self._pts)
        said: list[Rows] = [np.zeros((0, 6), np.float32)] * frames
        known = [stage for stage, share in zip(stages, SHARES, strict=True) if JUDGED <= share <= SCORED]
        ends = [*(stage.behind for stage in known[1:]), frames]
        for stage, end in zip(known, ends, strict=True):
            least: NDArray[np.float64] = stage.learner.least
            rows = told(self.scene.part(stage.behind, end), stage.learner)
            said[stage.behind : end] = [each[each[:, 4] >= least[each[:, 5].astype(int)]] for each in rows]
        big = self._looks[self._big].predictions
        series = replace(self.scene.series(said, np.zeros(len(big.series.classes))), known=big.series.known)
        return Look(replace(big, series=series, thresholds={}, cpu_ms=cpu_ms), 0.0)

    def _look(self, variant: Variant, parts: Sequence[StreamSpec]) -> Look:
        """Of all frames, in two parts: so that looks that `held` has made are known."""
        pipeline = self._roles.pipeline
        first, second = (look(pipeline, "clip", part, variant.spec(pipeline), Silent()) for part in parts)
        predictions = first.predictions
        series = _joined(predictions.series, second.predictions.series)
        return Look(replace(predictions, series=series), first.spent_s + second.spent_s)

    def _spec(self, begin: int, end: int) -> StreamSpec:
        """These frames of the clip."""
        start_s = float(self._pts[begin]) - 0.5 * self._frame_s if begin else 0.0
        end_s = float(self._pts[end]) - 0.5 * self._frame_s if end < len(self._pts) else None
        return StreamSpec(url=self._url, start_s=start_s, end_s=end_s)

    def _stretch(self, looks: Mapping[Variant, Look], begin: int, end: int) -> Stretch:
        part = {
            variant: Look(replace(one.predictions, series=one.predictions.series.part(begin, end)), 0.0)
            for variant, one in looks.items()
        }
        return Stretch(self._spec(begin, end), part[self._big].predictions.sure(), part)


def _rows(series: Series) -> list[Rows]:
    boxes = series.boxes
    table = np.column_stack([boxes.xyxy, boxes.score, boxes.label]).astype(np.float32)
    return np.split(table, np.searchsorted(boxes.frame, np.arange(1, series.frames)))


def _joined(first: Series, second: Series) -> Series:
    boxes, other = first.boxes, second.boxes
    return replace(
        first,
        pts=np.concatenate([first.pts, second.pts]),
        known=np.concatenate([first.known, second.known]),
        boxes=Boxes.of(
            np.concatenate([boxes.frame, other.frame + first.frames]),
            np.concatenate([boxes.xyxy, other.xyxy]),
            score=np.concatenate([boxes.score, other.score]),
            label=np.concatenate([boxes.label, other.label]),
        ),
    )
