"""`python -m benchmarks links split`: what crosses a link that is split, against pictures, in bytes and in F1.

Pictures of each clip cross as features of each model's best cut, and as JPEG and WebP at the size of its network, by
the very code that packs them in a run. What the model finds behind the link is held against what it finds in pictures.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from benchmarks.footage import ASSETS
from benchmarks.links.quality import pictures
from vidpipe.cascade.cascade import Ticket
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.inputs import network_input
from vidpipe.models.letterbox import NetworkInput, enough
from vidpipe.models.load import load_detector
from vidpipe.models.split.halves import Head, Tail
from vidpipe.pipeline.spec import LinkSpec
from vidpipe.runtime.transport import codec
from vidpipe.stages.detect.detect import in_source_pixels
from vidpipe.statistics.agreement import Matched, match, together

MODELS = {
    "yolox_nano": "yolox_nano.onnx",
    "2000": "person-vehicle-bike-detection-2000.xml",
    "2001": "person-vehicle-bike-detection-2001.xml",
    "2003": "person-vehicle-bike-detection-2003.xml",
}
CLASSES = Classes({"person": ["person"], "vehicle": ["vehicle", "car", "bus", "truck"], "bike": ["bike", "bicycle"]})
BITS = (8, 6, 5, 4, 3, 2)
QUALITIES = (20, 35, 50, 65, 75, 85, 90, 95, 98)
LEAST = 25  # boxes in a clip's pictures, for F1 to say anything
EQUAL = (0.98, 0.95, 0.9)
RATES = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)  # Mbps
LOOKS = 10  # pictures a second that have to cross
PLANNED = 0.9  # of a line

HEAD = """A model cut where least crosses (`split` of a link), against the picture as JPEG or WebP at the size of its
network: kB of a picture, and box F1 at IoU 0.5 against what the model finds in the picture itself, means of clips. 30
pictures of each clip, spread evenly; clips in whose pictures it finds fewer than {least} boxes are left out. At an F1:
the fewest kB at which the mean reaches it, between measured settings; - where none does. *Head*: its CPU, with coding,
against that of the whole network, on one thread.

*Chosen*: for each clip and each of {rates} Mbps that {looks} pictures a second have to cross, the way
of most F1 that fits by what was measured of the first half of the pictures, as `vidpipe plan --auto` chooses; held on
the second half against the best way there, which is known only afterwards. Of a way that does not fit there only as
many pictures cross as do.
"""


class Setting(NamedTuple):
    """How a picture crosses: features of so many bits, or a codec's quality."""

    kind: str
    level: int


class Price(NamedTuple):
    """Of a setting on one clip: mean bytes and CPU ms of a picture before the link, and how far answers agree."""

    nbytes: float
    cpu_ms: float
    matched: Matched


Prices = dict[Setting, tuple[Price, Price]]
"""Of a model on one clip: of the first half of the pictures, and of the second."""


def measured(model: str, clip: Path) -> Prices:
    """What each setting costs on a clip; of `whole` 0 the CPU of the network itself."""
    cv2.setNumThreads(1)
    spec = ModelSpec(path=str(ASSETS / "models" / MODELS[model]), threads=1)
    detector = load_detector(spec, CLASSES)
    head = Head(spec, CLASSES, None, (), 1)
    tail = Tail(spec, CLASSES, head.cut.behind, (), 1)
    taken = network_input(spec)
    assert taken is not None
    prices: dict[Setting, list[Price]] = {}
    for frame in pictures(clip):
        frame.bgr()
        began = time.process_time()
        (truth,) = detector.detect([frame.bgr()])
        whole = Price(0, _since_ms(began), Matched(len(truth), 2 * len(truth)))
        prices.setdefault(Setting("whole", 0), []).append(whole)
        for bits in BITS:
            began = time.process_time()
            features = head.features(frame.bgr(), bits)
            took_ms = _since_ms(began)
            found = tail.detect(features, (frame.width, frame.height))
            price = Price(features.maps.data.nbytes, took_ms, match(found, truth))
            prices.setdefault(Setting("features", bits), []).append(price)
        for kind in ("jpeg", "webp"):
            for quality in QUALITIES:
                nbytes, took_ms, got = _crossed(frame, kind, quality, taken)
                (found,) = detector.detect([got.bgr()])
                price = Price(nbytes, took_ms, match(in_source_pixels(found, got), truth))
                prices.setdefault(Setting(kind, quality), []).append(price)
    return {setting: (_mean(of[: len(of) // 2]), _mean(of[len(of) // 2 :])) for setting, of in prices.items()}


def _crossed(frame: Frame, kind: str, quality: int, taken: NetworkInput) -> tuple[int, float, Frame]:
    began = time.process_time()
    size = enough((frame.width, frame.height), [taken])
    packed = codec.pack(Ticket(frame), LinkSpec(codec=kind, quality=quality), complete=True, size=size)
    took_ms = _since_ms(began)
    return packed.nbytes, took_ms, codec.unpack(packed, Knobs()).frame


def _since_ms(began_s: float) -> float:
    return (time.process_time() - began_s) * 1000


def _mean(prices: Sequence[Price]) -> Price:
    nbytes, cpu_ms = (float(np.mean([price[field] for price in prices])) for field in (0, 1))
    return Price(nbytes, cpu_ms, together([price.matched for price in prices]))


def report(names: Sequence[str], folder: Path) -> Iterator[str]:
    """The section of the page, line by line; clips of these names, or all. What was measured is kept in `folder`."""
    yield HEAD.format(least=LEAST, rates=", ".join(f"{rate:g}" for rate in RATES), looks=LOOKS)
    clips = [clip for clip in sorted((ASSETS / "videos").iterdir()) if not names or clip.stem in names]
    for model in MODELS:
        halves = [_kept(model, clip, folder) for clip in clips]
        halves = [each for each in halves if sum(half.matched.right for half in each[Setting("whole", 0)]) >= LEAST]
        yield from _table(model, [{setting: _mean(of) for setting, of in each.items()} for each in halves])
        yield from _choices(halves)


def _kept(model: str, clip: Path, folder: Path) -> Prices:
    kept = folder / f"split-{model}-{clip.stem}.json"
    if not kept.is_file():
        kept.write_text(json.dumps([[setting, of] for setting, of in measured(model, clip).items()]))
    return {
        Setting(*setting): (_price(first), _price(second)) for setting, (first, second) in json.loads(kept.read_text())
    }


def _price(row: Sequence[Any]) -> Price:
    return Price(row[0], row[1], Matched(*row[2]))


def _table(model: str, prices: Sequence[dict[Setting, Price]]) -> Iterator[str]:
    whole = float(np.mean([of[Setting("whole", 0)].cpu_ms for of in prices]))
    yield f"\n**{model}**, {len(prices)} clips; the whole network takes {whole:.1f} ms\n"
    yield "| as | kB, F1 |"
    yield "|---|---|"
    curves = {}
    for kind, levels in (("features", BITS), ("jpeg", QUALITIES), ("webp", QUALITIES)):
        points = [(level, *_over(prices, Setting(kind, level))) for level in levels]
        curves[kind] = sorted((nbytes, f1) for _, nbytes, f1 in points)
        yield f"| {kind} | {'; '.join(f'{level}: {nbytes / 1000:.1f}, {f1:.3f}' for level, nbytes, f1 in points)} |"
    head = float(np.mean([of[Setting("features", 5)].cpu_ms for of in prices]))
    yield f"\nHead: {head:.1f} ms, {head / whole:.2f} of the whole.  "
    for wanted in EQUAL:
        at = {kind: _bytes_at(curve, wanted) for kind, curve in curves.items()}
        told = ", ".join(
            f"{kind} {'-' if nbytes is None else f'{nbytes / 1000:.1f} kB'}" for kind, nbytes in at.items()
        )
        yield f"At F1 {wanted}: {told}.  "


def _over(prices: Sequence[dict[Setting, Price]], setting: Setting) -> tuple[float, float]:
    """Mean bytes and F1 of all clips."""
    nbytes = float(np.mean([of[setting].nbytes for of in prices]))
    return nbytes, float(np.mean([of[setting].matched.f1 for of in prices]))


def _bytes_at(curve: Sequence[tuple[float, float]], wanted: float) -> float | None:
    """The fewest bytes at which F1 reaches what is wanted, on the line between measured points of (bytes, F1)."""
    if curve[0][1] >= wanted:
        return curve[0][0]
    for (less, below), (more, above) in pairwise(curve):
        if below < wanted <= above:
            return less + (more - less) * (wanted - below) / (above - below)
    return None


def _choices(halves: Sequence[Prices]) -> Iterator[str]:
    """How good choices by the first half of the pictures are on the second."""
    cases = [_choice(prices, rate) for prices in halves for rate in RATES]
    lost = np.array([best - worth for _, worth, best in cases if best > 0])
    kinds = Counter(kind for kind, _, _ in cases)
    near = float(np.mean([worth >= 0.9 * best for _, worth, best in cases]))
    told = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    yield (
        f"Chosen, of {len(cases)} cases: {told}; within a tenth of the best one's F1 in {near:.0%}, {lost.mean():.3f} "
        f"less in the mean."
    )


def _choice(prices: Prices, rate: float) -> tuple[str, float, float]:
    """The kind that is chosen, what it is worth on the second half, and what the best one is worth there."""
    ways = [setting for setting in prices if setting.kind != "whole"]
    fitting = [each for each in ways if _share(prices[each][0], rate) == 1.0]
    chosen = max(fitting or ways, key=lambda each: _worth(prices[each][0], rate))
    return chosen.kind, _worth(prices[chosen][1], rate), max(_worth(prices[each][1], rate) for each in ways)


def _worth(price: Price, rate: float) -> float:
    f1 = 1.0 if price.matched.f1 is None else price.matched.f1  # nothing is there, and nothing is found
    return f1 * _share(price, rate)


def _share(price: Price, rate: float) -> float:
    """Of the pictures, those that cross a line of so many Mbps."""
    return min(1.0, PLANNED * rate / (price.nbytes * LOOKS * 8e-6))
