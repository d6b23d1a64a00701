"""From a model to a smaller one that says nearly the same on a stream: the frontier of time, memory and F1.

Deep Compression (Han et al., ICLR 2016) and Minerva (Reagen et al., ISCA 2016) take bits and weights away until the
answers suffer; AdaDeep (Liu et al., MobiSys 2018) chooses how much, by measured cost and accuracy. Here are taken: the
size of the input, class heads that nobody asks for, and bits, for all layers or for those that can do without.

The clip has three parts. On the first, int8 networks are calibrated, and layers chosen that stay float; on the second,
one of the variants is chosen; on the third is found what is promised of it. What is right is what the model itself
says, in f32 at its own size.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vidpipe.core.errors import ConfigError, ModelError
from vidpipe.core.extras import how_to_install
from vidpipe.core.frame import Frame, Image
from vidpipe.core.progress import Progress
from vidpipe.core.settings import Knobs
from vidpipe.models.base import Classes, ModelSpec, Precision
from vidpipe.models.detectors.detector import LoadedDetector
from vidpipe.models.load import load_detector
from vidpipe.models.precisions import look_ms, memory_mb
from vidpipe.models.quantise import ENOUGH, FEWEST, Limit
from vidpipe.models.runtimes import nncf, openvino
from vidpipe.models.shrink import in_int8, shrink
from vidpipe.models.sizes import smaller_sizes
from vidpipe.models.stores.paths import with_weights
from vidpipe.sources.address import is_camera
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source
from vidpipe.statistics.agreement import Matched, match, together
from vidpipe.tuning.floor.precisions import CHEAPER

if TYPE_CHECKING:
    import supervision as sv

SCORED = 60
"""Pictures of each part that are scored, where there are as many."""
LEAST_BOXES = 50
"""Of each part: with fewer, one box that is missed costs more F1 than there is to lose."""
_MOST_BYTES = 2**30  # of pictures in memory: of large ones there are fewer
_TIMED = 16  # looks of each variant


@dataclass(frozen=True, slots=True)
class CompressOptions:
    """What the user asked for.

    Attributes:
        floor: F1 to hold.
        classes: that are asked for; empty: all.
        bf16: whether variants may compute in it, where the CPU can.
        mixed: whether layers of an int8 network that loses too much go back to float, which takes minutes.
    """

    floor: float
    classes: Classes
    bf16: bool = True
    mixed: bool = True


class Row(NamedTuple):
    """One variant.

    Attributes:
        says: what it is.
        spec: names its file.
        is_own: whether it is the model as it is, in some precision.
        chosen_f1, f1: against the model itself, on the part that it is chosen on, and on the last part.
        cpu_ms: of a look on one thread, median of looks in turns.
        file_mb, memory_mb: of its files, and what it adds to a process.
    """

    says: str
    spec: ModelSpec
    is_own: bool
    chosen_f1: float
    f1: float
    cpu_ms: float
    file_mb: float
    memory_mb: float


@dataclass(frozen=True, slots=True)
class Compressed:
    """What came of it.

    Attributes:
        rows: all variants that were tried, the cheapest first.
        own: the model as it is, in what it usually computes in.
        chosen: the cheapest that holds the floor; None: `refused` says why.
        left_out: what was not tried or cannot be, and why.
    """

    rows: Sequence[Row]
    own: Row
    chosen: Row | None
    refused: str
    left_out: Sequence[str]

    def is_best(self, row: Row) -> bool:
        """Whether no other variant is as good in time, memory and F1, and better in one of them."""
        mine = _cost(row)
        return not any(
            all(theirs <= own for theirs, own in zip(_cost(each), mine, strict=True)) and _cost(each) != mine
            for each in self.rows
        )


def compress(
    spec: ModelSpec,
    clip: StreamSpec,
    options: CompressOptions,
    folder: Path,
    progress: Progress,
    search_paths: Sequence[Path] = (),
) -> Compressed:
    """Try what makes a detector smaller on a clip.

    Args:
        clip: a recording, of the pictures that the model will see.
        folder: in which variants are written; empty.

    Raises:
        ConfigError: the clip cannot be opened, is too short, or the model finds nothing in it.
        ModelError: the model cannot be loaded, or is nothing that can be made smaller.
    """
    if is_camera(clip.url):
        raise ConfigError("a model is made smaller on a recording, not on a camera: record some minutes first")
    progress.step("the model itself")
    own = shrink(spec, folder / "own.xml", search_paths=search_paths)
    detector = load_detector(own.varied(precision="f32"), options.classes)
    progress.step(f"pictures of {Path(clip.url).name}")
    parts = [_Part(pictures, detector) for pictures in _pictures(clip)]
    for part, name in zip(parts, ("first", "second", "last"), strict=True):
        if (boxes := sum(map(len, part.truth))) < LEAST_BOXES:
            raise ConfigError(
                f"clip {Path(clip.url).name}: the model finds {boxes} boxes in {len(part.pictures)} pictures of its "
                f"{name} part: {LEAST_BOXES} are needed to tell what a smaller one loses"
            )
    return _Search(own, parts, options, folder, progress).result(detector.traits.size)


class _Part:
    """A part of the clip: its pictures, and what the model itself says of them."""

    def __init__(self, pictures: Sequence[Image], reference: LoadedDetector) -> None:
        self.pictures = pictures
        self.truth = _looks(reference, pictures)

    def f1(self, detector: LoadedDetector) -> float:
        return self.score(list(enumerate(_looks(detector, self.pictures))))[0]

    def score(self, found: Sequence[tuple[int, sv.Detections]]) -> tuple[float, list[float]]:
        """F1 of all, and of each; where neither answer has a box they agree."""
        matched = [match(boxes, self.truth[number]) for number, boxes in found]
        return _f1(together(matched)), [_f1(each) for each in matched]


@dataclass
class _Search:
    own: ModelSpec
    parts: Sequence[_Part]
    options: CompressOptions
    folder: Path
    progress: Progress
    loaded: dict[str, tuple[ModelSpec, LoadedDetector, float]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def result(self, size: tuple[int, int]) -> Compressed:
        """Try all, and choose."""
        if not nncf.is_installed():
            self.left_out.append(f"int8: it takes NNCF: `{how_to_install('compress')}`")
        worth = self._floats(size)
        for says, spec in worth if nncf.is_installed() else ():
            self._int8(says, spec)
        self.progress.step("what a look of each costs")
        detectors = {says: detector for says, (_, detector, _) in self.loaded.items()}
        took = look_ms(detectors, self.parts[2].pictures, _TIMED)
        rows = sorted((self._row(says, took[says]) for says in self.loaded), key=lambda row: row.cpu_ms)
        usual = next(row for row in rows if row.says == f"as it is, {self._precisions()[-1]}")
        return Compressed(rows, usual, *choose(rows, usual, self.options.floor), self.left_out)

    def _precisions(self) -> list[Precision]:
        """Of what is not int8, the one that is used last."""
        return ["f32", "bf16"] if self.options.bf16 and openvino.has_bf16() else ["f32"]

    def _floats(self, size: tuple[int, int]) -> list[tuple[str, ModelSpec]]:
        """Variants that are not int8; gives those that hold the floor, and so are worth quantising."""
        files = [("as it is", self.own)]
        heads: Classes | None = self.options.classes if self.options.classes.mapping else None
        if heads is not None:
            heads = heads if self._shrunk(files, "its classes", "classes", None, heads) else None
        for height, width in smaller_sizes(size):
            says = f"{width}x{height}" + (", its classes" if heads else "")
            self._shrunk(files, says, f"at-{height}x{width}", (height, width), heads)
        worth: list[tuple[str, ModelSpec]] = []
        for says, spec in files:
            f1 = [self._add(f"{says}, {each}", spec, each) for each in self._precisions()]
            if f1[-1] >= self.options.floor:
                worth.append((says, spec))
            else:
                self.left_out.append(f"{says}, int8: not made, as its F1 is {f1[-1]:.3f} in {self._precisions()[-1]}")
        # With fewer classes the same is cheaper: to quantise what it was cut from would be for nothing.
        return worth[1:] if heads and [says for says, _ in worth[:2]] == ["as it is", "its classes"] else worth

    def _shrunk(
        self,
        files: list[tuple[str, ModelSpec]],
        says: str,
        name: str,
        size: tuple[int, int] | None,
        classes: Classes | None,
    ) -> bool:
        try:
            files.append((says, shrink(self.own, self.folder / f"{name}.xml", size=size, classes=classes)))
        except ModelError as error:
            self.left_out.append(f"{says}: {error}")
            return False
        return True

    def _int8(self, says: str, spec: ModelSpec) -> None:
        """Its int8 network, and where that loses too much one in which some layers are float."""
        fitted, file = self.parts[0], Path(spec.path)
        calibrated = _spread(fitted.pictures, ENOUGH)
        limits: list[tuple[str, Limit | None]] = [("int8", None)]
        if self.options.mixed:
            own_f1 = fitted.f1(self.loaded[f"{says}, f32"][1])
            drop = max(own_f1 - self.options.floor, 1e-3)
            limits.append(("int8 but for some layers", Limit(fitted.pictures, fitted.score, drop)))
        for precision, limit in limits:
            self.progress.step(f"{says}, {precision}")
            target = file.with_name(f"{file.stem}-{'int8' if limit is None else 'mixed'}.xml")
            try:
                made = in_int8(spec, target, calibrated, limit)
            except ModelError as error:
                self.left_out.append(f"{says}, {precision}: {error}")
                return
            if self._add(f"{says}, {precision}", made, self._precisions()[-1]) >= self.options.floor:
                return

    def _add(self, says: str, spec: ModelSpec, precision: Precision) -> float:
        """Load a variant; gives its F1 on the part that it is chosen on."""
        spec = spec.model_copy(update={"precision": precision, "threads": 1})
        detector = load_detector(spec, self.options.classes)
        f1 = self.parts[1].f1(detector)
        self.loaded[says] = spec, detector, f1
        return f1

    def _row(self, says: str, cpu_ms: float) -> Row:
        spec, detector, chosen_f1 = self.loaded[says]
        file_mb = sum(file.stat().st_size for file in with_weights(Path(spec.path))) / 1e6
        memory = memory_mb(spec, self.options.classes)
        return Row(
            says, spec, spec.path == self.own.path, chosen_f1, self.parts[2].f1(detector), cpu_ms, file_mb, memory
        )


def choose(rows: Sequence[Row], own: Row, floor: float) -> tuple[Row | None, str]:
    """The cheapest of rows in rising order of cost that holds the floor, or why there is none."""
    cheaper = [row for row in rows if not row.is_own and row.cpu_ms <= CHEAPER * own.cpu_ms]
    chosen = next((row for row in cheaper if row.chosen_f1 >= floor), None)
    if chosen is None:
        best = max(cheaper, key=lambda row: row.chosen_f1, default=None)
        tells = "none is cheaper" if best is None else f"the best, {best.says}, comes to {best.chosen_f1:.3f}"
        return None, f"nothing that is cheaper than the model as it is holds an F1 of {floor:g}: {tells}"
    if chosen.f1 < floor:
        return None, (
            f"{chosen.says} holds an F1 of {floor:g} on the part that it was chosen on ({chosen.chosen_f1:.3f}), but "
            f"not on the last one ({chosen.f1:.3f}): give longer footage, or ask for less"
        )
    return chosen, ""


def _cost(row: Row) -> tuple[float, float, float]:
    return row.cpu_ms, row.memory_mb, -row.f1


def _f1(matched: Matched) -> float:
    return 1.0 if matched.f1 is None else matched.f1


def _looks(detector: LoadedDetector, pictures: Sequence[Image]) -> list[sv.Detections]:
    return [detector.detect([picture])[0] for picture in pictures]


def _pictures(clip: StreamSpec) -> list[list[Image]]:
    """Pictures of the three parts, spread evenly over each."""
    with closing(open_source("clip", clip.recording, knobs=Knobs())) as source:
        kept: list[Image] = []
        every, most = 1, 3 * SCORED
        for number, picture in enumerate(each for each in source if isinstance(each, Frame)):
            if number == 0:
                most = max(3 * FEWEST, min(most, _MOST_BYTES // (2 * picture.bgr().nbytes)))
            if number % every == 0:
                kept.append(picture.bgr().copy())
            if len(kept) == 2 * most:  # the clip is longer than was known: half as many from here on
                kept, every = kept[::2], 2 * every
    if len(kept) < 3 * FEWEST:
        raise ConfigError(
            f"clip {Path(clip.url).name}: {3 * FEWEST} frames are needed, to calibrate, choose and score on {FEWEST} "
            f"each; it has {len(kept)}"
        )
    kept = _spread(kept, most)
    ends = np.linspace(0, len(kept), 4).round().astype(int)
    return [kept[begin:end] for begin, end in pairwise(ends)]


def _spread(pictures: Sequence[Image], most: int) -> list[Image]:
    chosen = np.unique(np.linspace(0, len(pictures) - 1, min(most, len(pictures))).round().astype(int))
    return [pictures[number] for number in chosen]
