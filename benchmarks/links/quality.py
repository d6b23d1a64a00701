"""`python -m benchmarks links quality`: the price of a link's codec, quality and width, in bytes and in F1.

Pictures of each clip cross a link under every setting, by the very code that packs them in a run. What the big model
sees in what arrives is held against what it sees in the picture itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np

from benchmarks.footage import ASSETS
from vidpipe.cascade.cascade import Ticket
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.load import load_detector
from vidpipe.pipeline.spec import LinkSpec
from vidpipe.runtime.transport import codec
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source
from vidpipe.stages.detect.detect import in_source_pixels
from vidpipe.statistics.agreement import Matched, match, together

MODEL = ModelSpec(path="person-vehicle-bike-detection-2003.xml", threshold=0.3)
CLASSES = Classes({"person": ["person"], "vehicle": ["vehicle"], "bike": ["bike"]})
CODECS = ("jpeg", "webp")
QUALITIES = (20, 35, 50, 75, 85, 95)
WIDTHS = (None, 864, 640, 480)
PICTURES = 30  # of each clip, evenly
LEAST = 25  # boxes in them, for F1 to say anything
TARGETS = (0.95, 0.9, 0.85)

HEAD = """What the big model (2003, whose input is 864x480) sees in pictures that crossed a link, against what it sees
in the pictures themselves: box F1 at IoU 0.5, of {pictures} pictures of each of {clips} clips ({sizes} wide), spread
evenly; mean of the clips, and the worst one. kB: mean of a picture; share: of its bytes as JPEG 85 at its own size,
mean of the clips. A width changes nothing for pictures that are narrower. ms: CPU of packing and unpacking a picture.
Left out, as fewer than {least} boxes are seen in them: {left_out}.
"""


class Setting(NamedTuple):
    """How pictures are coded."""

    codec: str
    quality: int
    width: int | None

    def spec(self) -> LinkSpec:
        return LinkSpec.model_validate(self._asdict())

    def __str__(self) -> str:
        return f"{self.codec} {self.quality}" + (f", {self.width} px" if self.width else "")


class Price(NamedTuple):
    """Of a setting on one clip: mean bytes and CPU ms of a picture, and how far the answers agree."""

    nbytes: float
    cpu_ms: float
    matched: Matched


Prices = dict[str, dict[Setting, Price]]
"""By clip."""

STANDARD = Setting("jpeg", 85, None)


def settings() -> list[Setting]:
    """All that are tried."""
    return [Setting(kind, quality, width) for kind in CODECS for quality in QUALITIES for width in WIDTHS]


def priced(clip: Path) -> dict[Setting, Price]:
    """What each setting costs on a clip."""
    cv2.setNumThreads(1)
    detector = load_detector(MODEL, CLASSES, search_paths=[ASSETS / "models"])
    prices: dict[Setting, list[Price]] = {setting: [] for setting in settings()}
    for frame in pictures(clip):
        (truth,) = detector.detect([frame.bgr()])
        for setting in prices:
            if setting.width is not None and setting.width >= frame.width:
                prices[setting].append(prices[setting._replace(width=None)][-1])
                continue
            began = time.process_time()
            packed = codec.pack(Ticket(frame), setting.spec(), complete=True)
            got = codec.unpack(packed, Knobs()).frame
            got.bgr()
            took_ms = (time.process_time() - began) * 1000
            (found,) = detector.detect([got.bgr()])
            prices[setting].append(Price(packed.nbytes, took_ms, match(in_source_pixels(found, got), truth)))
    return {setting: _mean(of) for setting, of in prices.items()}


def report(names: Sequence[str], folder: Path) -> Iterator[str]:
    """The section of the page, line by line; clips of these names, or all. What was measured is kept in `folder`."""
    prices: Prices = {}
    for clip in sorted((ASSETS / "videos").iterdir()):
        if not names or clip.stem in names:
            kept = folder / f"links-{clip.stem}.json"
            if not kept.is_file():
                kept.write_text(json.dumps([[*setting, *price] for setting, price in priced(clip).items()]))
            rows = json.loads(kept.read_text())
            prices[clip.stem] = {Setting(*row[:3]): Price(row[3], row[4], Matched(*row[5])) for row in rows}
    few = [name for name, price in prices.items() if _seen(price) < LEAST]
    prices = {name: price for name, price in prices.items() if name not in few}
    widths = sorted(_width(clip) for clip in (ASSETS / "videos").iterdir() if clip.stem in prices)
    sizes = f"{widths[0]} to {widths[-1]}"
    yield HEAD.format(pictures=PICTURES, clips=len(prices), sizes=sizes, least=LEAST, left_out=", ".join(few) or "none")
    yield "| codec | quality | width | kB | share | F1 | worst clip | ms |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for setting in _frontier(prices):
        yield _row(setting, prices)
    yield ""
    yield "Cheapest setting that keeps a mean F1 on the other clips, and what it costs on the one left out:"
    yield ""
    yield "| F1 wanted | F1: mean of the clips left out | clips that keep it | share of bytes | chosen for most |"
    yield "|---:|---:|---:|---:|---|"
    for target in TARGETS:
        yield _left_out(prices, target)


def _seen(prices: dict[Setting, Price]) -> float:
    """Boxes in the pictures themselves: of both sides, where a picture is hardly changed, half."""
    return prices[Setting("jpeg", 95, None)].matched.boxes / 2


def f1(prices: Prices, setting: Setting) -> float:
    """Mean of the clips in which something is seen."""
    return float(np.mean([score for of in prices.values() if (score := of[setting].matched.f1) is not None]))


def share(prices: Prices, setting: Setting) -> float:
    """Bytes against `STANDARD`, mean of the clips."""
    return float(np.mean([of[setting].nbytes / of[STANDARD].nbytes for of in prices.values()]))


def cheapest(prices: Prices, target: float) -> Setting:
    """The setting of least bytes that keeps this F1; the best one where none does."""
    enough = [setting for setting in settings() if f1(prices, setting) >= target]
    return min(enough, key=lambda setting: share(prices, setting)) if enough else _best(prices)


def _best(prices: Prices) -> Setting:
    return max(settings(), key=lambda setting: f1(prices, setting))


def _frontier(prices: Prices) -> list[Setting]:
    """Of each codec the settings that none of fewer bytes beats, most bytes first; and `STANDARD`."""
    shown = [STANDARD]
    for kind in CODECS:
        best = 0.0
        ofs = [setting for setting in settings() if setting.codec == kind]
        for setting in sorted(ofs, key=lambda setting: (share(prices, setting), setting.width or 0)):
            if f1(prices, setting) > best:
                best = f1(prices, setting)
                shown.append(setting)
    return sorted(dict.fromkeys(shown), key=lambda setting: (setting.codec, -share(prices, setting)))


def _row(setting: Setting, prices: Prices) -> str:
    of = [price[setting] for price in prices.values()]
    worst = min(score for each in of if (score := each.matched.f1) is not None)
    kilobytes, cpu_ms = np.mean([each.nbytes for each in of]) / 1000, np.mean([each.cpu_ms for each in of])
    width = setting.width or "source"
    return (
        f"| {setting.codec} | {setting.quality} | {width} | {kilobytes:.1f} | {share(prices, setting):.2f} "
        f"| {f1(prices, setting):.3f} | {worst:.2f} | {cpu_ms:.1f} |"
    )


def _left_out(prices: Prices, target: float) -> str:
    chosen, scores, shares = [], [], []
    for clip, of in prices.items():
        setting = cheapest({name: other for name, other in prices.items() if name != clip}, target)
        chosen.append(setting)
        shares.append(of[setting].nbytes / of[STANDARD].nbytes)
        if (score := of[setting].matched.f1) is not None:
            scores.append(score)
    most = max(set(chosen), key=chosen.count)
    kept = sum(score >= target for score in scores)
    return (
        f"| {target:g} | {np.mean(scores):.3f} | {kept} of {len(scores)} | {np.mean(shares):.2f} "
        f"| {most} ({chosen.count(most)} of {len(chosen)}) |"
    )


def pictures(clip: Path, count: int = PICTURES) -> Iterator[Frame]:
    """So many pictures of a clip, evenly."""
    with closing(open_source(clip.stem, StreamSpec(url=str(clip)), knobs=Knobs())) as source:
        frames = sum(isinstance(picture, Frame) for picture in source)
    wanted = set(np.linspace(0, frames - 1, count).round().astype(int).tolist())
    with closing(open_source(clip.stem, StreamSpec(url=str(clip)), knobs=Knobs())) as source:
        shown = (picture for picture in source if isinstance(picture, Frame))
        for number, frame in enumerate(shown):
            if number in wanted:
                yield frame


def _mean(prices: Sequence[Price]) -> Price:
    return Price(
        float(np.mean([price.nbytes for price in prices])),
        float(np.mean([price.cpu_ms for price in prices])),
        together(price.matched for price in prices),
    )


def _width(clip: Path) -> int:
    with av.open(str(clip)) as container:
        return int(container.streams.video[0].width)
