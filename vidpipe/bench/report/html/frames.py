"""The frames on which pipeline and reference disagree most, side by side."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.bench.report.evidence import Evidence
from vidpipe.bench.report.html.markup import Markup, brief, tag
from vidpipe.bench.report.html.placing import Rect
from vidpipe.bench.scores.box_score import Counts, count
from vidpipe.bench.scores.matching import match
from vidpipe.bench.series import Boxes, Series
from vidpipe.frame import Frame, Image
from vidpipe.knobs import Knobs
from vidpipe.sources.open import open_source

_MOST = 6
_APART_S = 2.0
_WIDTH = 480
_JPEG_QUALITY = 78


def frames(clip: str, evidence: Evidence, key: str) -> Markup:
    """A pair of pictures for each of the worst frames; a line where there is no disagreement.

    Args:
        key: of the clip within the page; its name might not do in a link.

    Raises:
        SourceError: the stream cannot be opened any more.
    """
    counts = count(evidence.published.series, evidence.truth)
    chosen = worst(counts, evidence.truth.pts)
    if not chosen:
        return tag("p", "Pipeline and reference agree on every frame.", cls="note")
    jpegs = _decode(clip, evidence, chosen)
    return tag(
        "div",
        *(_pair(f"{key}-frame{frame}", frame, evidence, counts, jpegs.get(frame)) for frame in chosen),
        cls="frames",
    )


def worst(counts: Counts, pts: NDArray[np.float64]) -> list[int]:
    """Up to 6 frames with the most false and missed boxes, of equals the earlier; any two at least 2 s apart."""
    wrong = (counts.fp + counts.fn).sum(axis=0)
    chosen: list[int] = []
    for frame in np.argsort(-wrong, kind="stable"):
        if not wrong[frame] or len(chosen) == _MOST:
            break
        if all(abs(pts[frame] - pts[other]) >= _APART_S for other in chosen):
            chosen.append(int(frame))
    return chosen


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a pair: its boxes in one frame, and which of them the other side has as well."""

    boxes: Boxes
    agreed: NDArray[np.bool_]


def sides(truth: Series, published: Series, frame: int) -> tuple[Side, Side]:
    """Of one frame: the reference's, then the pipeline's; what does not count stays out of both."""
    theirs, ours = (series.part(frame, frame + 1).boxes for series in (truth, published))
    matches = match(ours, theirs)
    agreed = [np.zeros(len(boxes), bool) for boxes in (theirs, ours)]
    agreed[0][matches.truth], agreed[1][matches.predictions] = True, True
    counts = ~theirs.ignored
    return Side(theirs[counts], agreed[0][counts]), Side(ours, agreed[1])


def _decode(clip: str, evidence: Evidence, chosen: Sequence[int]) -> dict[int, bytes]:
    """One pass up to the last of them: seeking would have to count frames anew."""
    truth = set(chosen)
    jpegs = {}
    source = open_source(clip, evidence.stream, knobs=Knobs())
    try:
        for frame in source:
            if frame.seq in truth and isinstance(frame, Frame):
                jpegs[frame.seq] = _jpeg(frame.bgr())
            if frame.seq >= max(truth):
                break
    finally:
        source.close()
    return jpegs


def _jpeg(picture: Image) -> bytes:
    import cv2

    height, width = picture.shape[:2]
    if width > _WIDTH:
        picture = cv2.resize(picture, (_WIDTH, round(height * _WIDTH / width)), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    encoded: Any = data
    return bytes(encoded)


def _pair(name: str, frame: int, evidence: Evidence, counts: Counts, jpeg: bytes | None) -> Markup:
    answers = evidence.published
    reference, pipeline = sides(evidence.truth, answers.series, frame)
    # The picture stands in the file once: the right side draws it again by its name.
    left, right = (None, None) if jpeg is None else (_picture(jpeg, name, evidence.truth), tag("use", href=f"#{name}"))
    right_boxes, missed, false = (int(part[:, frame].sum()) for part in (counts.tp, counts.fn, counts.fp))
    where = f"frame {frame}, {answers.series.pts[frame]:.2f} s"
    source = f"{answers.how[frame]} by {answers.by[frame]}"
    age = f", as of frame {answers.as_of[frame]}" if answers.as_of[frame] != frame else ""
    reason = f" ({answers.reason[frame]})" if answers.reason[frame] else ""
    return tag(
        "figure",
        tag(
            "div",
            _shot("reference", left, reference, evidence.truth, "missed"),
            _shot("published", right, pipeline, evidence.truth, "false"),
            cls="pair",
        ),
        tag(
            "figcaption",
            tag("b", where),
            f": {source}{age}{reason}. {right_boxes} right, ",
            tag("b", f"{missed} missed", cls="missed") if missed else "none missed",
            ", ",
            tag("b", f"{false} false", cls="false") if false else "none false",
            "." if jpeg is not None else ". It has no picture: it could not be decoded.",
        ),
    )


def _picture(jpeg: bytes, name: str, series: Series) -> Markup:
    data = f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"
    return tag("image", id=name, href=data, width=series.width, height=series.height, preserveAspectRatio="none")


def _shot(title: str, picture: Markup | None, side: Side, series: Series, wrong: str) -> Markup:
    """A picture with boxes; wrong ones lie on top, and their labels have the first choice of places."""
    unit = series.width / _WIDTH
    boxes: list[Markup] = []
    plates: list[Rect] = []
    for row in np.argsort(side.agreed, kind="stable"):
        said = f"{series.classes[side.boxes.label[row]]} {side.boxes.score[row]:.2f}"
        box = Rect(*map(float, side.boxes.xyxy[row]))
        plates.append(_plate(box, (len(said) * 5.3 + 4) * unit, 12 * unit, series, plates))
        boxes.append(_box(box, said, plates[-1], "agreed" if side.agreed[row] else wrong, unit))
    return tag(
        "div",
        tag("span", title, cls="side"),
        tag(
            "svg",
            picture,
            *reversed(boxes),
            viewBox=f"0 0 {series.width} {series.height}",
            role="img",
            aria_label=f"{title}: {len(side.boxes)} boxes, {int((~side.agreed).sum())} of them {wrong}",
            style=f"--px: {brief(unit)}px",
        ),
    )


def _plate(box: Rect, width: float, height: float, series: Series, taken: Sequence[Rect]) -> Rect:
    """Where a label stands: above its box or beneath it, wherever it covers least of other labels."""
    places = []
    for y in (box.y0 - height, box.y1, box.y0 - 2 * height):
        for x in (box.x0, box.x1 - width):
            left = min(max(0.0, x), series.width - width)
            top = min(max(0.0, y), series.height - height)
            places.append(Rect(left, top, left + width, top + height))
    return min(places, key=lambda place: sum(place.shared(other) for other in taken))


def _box(box: Rect, said: str, plate: Rect, cls: str, unit: float) -> Markup:
    return tag(
        "g",
        _rect(box),
        _rect(plate, "plate"),
        tag("text", said, x=plate.x0 + 2 * unit, y=plate.y0 + 9.4 * unit),
        cls=cls,
    )


def _rect(rect: Rect, cls: str | None = None) -> Markup:
    return tag("rect", x=rect.x0, y=rect.y0, width=rect.x1 - rect.x0, height=rect.y1 - rect.y0, cls=cls)
