"""`python -m benchmarks links size`: pictures at the size of the network behind a link, against full ones.

By the very code that packs them in a run. What a model sees in what arrives is held against what it sees in the picture
itself. The one constant, how much finer the steps of JPEG may become at most, is chosen on all clips but one, and
scored on that one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np

from benchmarks.footage import ASSETS
from benchmarks.links.quality import CLASSES, pictures
from vidpipe.cascade.cascade import Ticket
from vidpipe.core.frame import Frame
from vidpipe.core.picture import BgrPicture
from vidpipe.core.settings import Knobs
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.inputs import network_input
from vidpipe.models.letterbox import NetworkInput, enough, scale
from vidpipe.models.load import load_detector
from vidpipe.pipeline.spec import LinkSpec
from vidpipe.runtime.transport import codec
from vidpipe.stages.detect.detect import in_source_pixels
from vidpipe.statistics.agreement import Matched, match, together

COCO = Classes({"person": ["person"], "vehicle": ["car", "bus", "truck"], "bike": ["bicycle", "motorcycle"]})
MODELS = {
    "2001": (ModelSpec(path="person-vehicle-bike-detection-2001.xml", threshold=0.4, threads=1), CLASSES),
    "yolox_nano": (ModelSpec(path="yolox_nano.onnx", threshold=0.3, threads=1), COCO),
    "2003": (ModelSpec(path="person-vehicle-bike-detection-2003.xml", threshold=0.3, threads=1), CLASSES),
}
PICTURES = 12  # of each clip, evenly
LEAST = 25  # boxes in them, for F1 to say anything
LIMITS = (1.0, 2.0, 3.0, 4.0)  # how many times finer steps may become
COLUMNS = ("full 75", "no codec", *(f"finer {limit:g}" for limit in LIMITS), "full 85")
LOSES = 0.01  # of F1 against full pictures, on the mean of the clips that a limit is chosen on

HEAD = """JPEG 85, {pictures} pictures of each clip, spread evenly. Full: the camera's picture; network: scaled as
the model would (2001: 384x384, yolox_nano: 416x416, 2003: 864x480; clips that are no larger are left out, and those in
which fewer than {least} boxes are seen). F1: boxes at IoU 0.5 against those in the picture itself; in brackets bytes
against those of full pictures at 85. No codec: at the network's size, without JPEG. Finer n: at the network's size the
steps of JPEG are as many times finer as there are fewer pixels, n times at most; {used:g} is what links do.
"""


class Price(NamedTuple):
    """Bytes of all pictures, and how far the answers agree."""

    nbytes: int
    matched: Matched

    def __add__(self, other: object) -> Price:
        assert isinstance(other, Price)
        return Price(self.nbytes + other.nbytes, together([self.matched, other.matched]))


Prices = Mapping[str, Price]
"""By setting."""


def report(names: Sequence[str], folder: Path) -> Iterator[str]:
    """The section of the page, line by line; clips of these names, or all. What was measured is kept in `folder`."""
    yield HEAD.format(pictures=PICTURES, least=LEAST, used=codec.MOST_FINER)
    found: dict[str, Prices] = {}
    yield f"| model, clip | picture | {' | '.join(COLUMNS)} |"
    yield "|---|---|" + "---:|" * len(COLUMNS)
    for model in MODELS:
        for clip in sorted((ASSETS / "videos").iterdir()):
            if not names or clip.stem in names:
                prices = _kept(model, clip, folder)
                if prices and prices["full 75"].matched.boxes / 2 >= LEAST:
                    found[f"{model}, {clip.stem}"] = prices
                    yield _row(f"{model}, {clip.stem}", "x".join(map(str, _size(clip))), prices)
    yield _mean(found)
    yield ""
    if len(found) > 1:
        yield from _left_out(found)


def _kept(model: str, clip: Path, folder: Path) -> Prices:
    kept = folder / f"links-size-{model}-{clip.stem}.json"
    if not kept.is_file():
        kept.write_text(json.dumps({name: [*price] for name, price in priced(model, clip).items()}))
    return {name: Price(price[0], Matched(*price[1])) for name, price in json.loads(kept.read_text()).items()}


def priced(model: str, clip: Path) -> Prices:
    """What each setting costs on a clip; nothing where its pictures are no larger than the network takes."""
    spec, classes = MODELS[model]
    network = network_input(spec, [ASSETS / "models"])
    assert network is not None
    if enough(_size(clip), [network]) == _size(clip):
        return {}
    cv2.setNumThreads(1)
    detector = load_detector(spec, classes, search_paths=[ASSETS / "models"])
    prices: dict[str, Price] = {}
    for frame in pictures(clip, PICTURES):
        (truth,) = detector.detect([frame.bgr()])
        for name, packed in _packed(Ticket(frame), network):
            got = codec.unpack(packed, Knobs()).frame
            (boxes,) = detector.detect([got.bgr()])
            price = Price(packed.nbytes, match(in_source_pixels(boxes, got), truth))
            prices[name] = prices[name] + price if name in prices else price
    return prices


def _packed(ticket: Ticket, network: NetworkInput) -> Iterator[tuple[str, codec.PackedFrame]]:
    """A frame under each setting."""
    frame = ticket.frame
    own = (frame.width, frame.height)
    size = enough(own, [network])
    times = own[0] * own[1] / (size[0] * size[1])
    for quality in (75, 85):
        yield f"full {quality}", codec.pack(ticket, LinkSpec(codec="jpeg", quality=quality), complete=True)
    picture = BgrPicture(scale(frame.bgr(), size))
    small = Frame(frame.stream, frame.seq, frame.pts, picture, *own)
    yield "no codec", codec.pack(Ticket(small), LinkSpec(), complete=True)
    for limit in LIMITS:
        spec = LinkSpec(codec="jpeg", quality=codec.raised(85, times, limit))
        yield f"finer {limit:g}", codec.pack(Ticket(small), spec, complete=True)


def _row(name: str, size: str, prices: Prices) -> str:
    return f"| {name} | {size} | {' | '.join(_cells({name: prices}))} |"


def _mean(found: Mapping[str, Prices]) -> str:
    return f"| mean | | {' | '.join(_cells(found))} |"


def _cells(found: Mapping[str, Prices]) -> Iterator[str]:
    for each in COLUMNS:
        yield f"{_f1(found, each):.3f}" + (f" ({_share(found, each):.2f})" if each != "no codec" else "")


def _f1(found: Mapping[str, Prices], name: str) -> float:
    return float(np.mean([prices[name].matched.f1 or 0.0 for prices in found.values()]))


def _share(found: Mapping[str, Prices], name: str) -> float:
    return float(np.mean([prices[name].nbytes / prices["full 85"].nbytes for prices in found.values()]))


def _left_out(found: Mapping[str, Prices]) -> Iterator[str]:
    """The limit of fewest bytes that loses little on the other clips, scored on the clip that is left out."""
    chosen, lost, shares = [], [], []
    for clip in sorted({name.split(", ")[1] for name in found}):
        others = {name: prices for name, prices in found.items() if not name.endswith(f", {clip}")}
        if not others:
            continue
        wanted = _f1(others, "full 85") - LOSES
        limits = [f"finer {limit:g}" for limit in LIMITS]
        enough_ = [limit for limit in limits if _f1(others, limit) >= wanted]
        limit = min(enough_, key=lambda each: _share(others, each), default=limits[-1])
        chosen.append(limit)
        for prices in (prices for name, prices in found.items() if name.endswith(f", {clip}")):
            lost.append((prices["full 85"].matched.f1 or 0.0) - (prices[limit].matched.f1 or 0.0))
            shares.append(prices[limit].nbytes / prices["full 85"].nbytes)
    most = max(set(chosen), key=chosen.count)
    yield (
        f"Limit of fewest bytes that loses at most {LOSES:g} on the other clips, scored on the one left out: "
        f"{most} for {chosen.count(most)} of {len(chosen)} clips; F1 lost: {np.mean(lost):.3f} in the mean, "
        f"{np.max(lost):.3f} at most; share of bytes {np.mean(shares):.2f} in the mean, {np.min(shares):.2f} to "
        f"{np.max(shares):.2f}."
    )


def _size(clip: Path) -> tuple[int, int]:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        return int(stream.width), int(stream.height)
