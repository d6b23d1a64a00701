"""What is drawn over a picture: boxes, how its answer came about, and how the stages share the work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vidpipe.core.answer import Answer, How
from vidpipe.core.frame import Image

if TYPE_CHECKING:
    import supervision as sv
    from supervision.annotators.base import BaseAnnotator

Colour = tuple[int, int, int]  # BGR

_PAPER, _INK, _FAINT = (26, 22, 20), (240, 238, 236), (150, 144, 140)
_CHIPS: dict[How, Colour] = {
    How.MEASURED: (80, 160, 40),
    How.EMPTY: (120, 110, 70),
    How.TRACKED: (190, 130, 30),
    How.REUSED: (140, 105, 80),
    How.SKIPPED: (95, 90, 85),
    How.DROPPED: (20, 120, 220),
    How.FAILED: (50, 50, 215),
}
_STAGES: tuple[Colour, ...] = (
    (150, 120, 95),
    (170, 165, 60),
    (200, 140, 50),
    (90, 170, 130),
    (70, 190, 220),
    (90, 130, 235),
    (150, 90, 200),
    (200, 110, 150),
)


class Moment(NamedTuple):
    """Which frame of a stream is drawn, and which frame's picture it shows: its own, unless it has none."""

    stream: str
    seq: int
    pts: float
    picture_seq: int


class Overlay:
    """Draws the frames of one stream: the picture with its boxes between a bar above and a strip below.

    The picture itself is not covered. Boxes are whole where a model looked at this very frame, thin where they were
    tracked, and corners only where an older answer stands for the frame.

    Args:
        width, height: of the pictures.

    Attributes:
        top: row of what is drawn at which the picture begins, under the bar.
    """

    def __init__(self, width: int, height: int) -> None:
        import supervision as sv

        self._unit = min(3.0, max(0.6, width / 768))
        self.top = self._px(30)
        # OpenCV packs 4:2:0 rightly only where the height is a multiple of four.
        rows = -(-(height + self.top + self._px(36)) // 4) * 4
        self.width, self.height = width, height
        self._canvas = np.full((rows, width + width % 2, 3), _PAPER, np.uint8)
        self._stages: dict[str, Colour] = {}
        palette = sv.ColorPalette.from_hex(
            ["#3ddc84", "#ffb000", "#4cc9f0", "#f72585", "#b8f35d", "#ff6b6b", "#c77dff"]
        )
        line = max(1, self._px(2))
        thin, corners = sv.BoxAnnotator(palette, 1), sv.BoxCornerAnnotator(palette, line, corner_length=self._px(9))
        self._boxes: dict[How, BaseAnnotator] = dict.fromkeys(How, corners)
        self._boxes |= {How.MEASURED: sv.BoxAnnotator(palette, line), How.TRACKED: thin}
        self._labels = sv.LabelAnnotator(
            palette, text_color=sv.Color.BLACK, text_scale=0.36 * self._unit, text_padding=self._px(3)
        )

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what `draw` gives, in pixels; both even."""
        return self._canvas.shape[1], self._canvas.shape[0]

    def draw(self, picture: Image, answer: Answer, moment: Moment, ledger: Mapping[str, int]) -> Image:
        """The drawn frame: uint8 BGR of `size`; valid until the next call.

        Args:
            picture: uint8 [height, width, 3].
            ledger: how many frames each stage has answered so far.
        """
        view = self._canvas[self.top : self.top + self.height, : self.width]
        view[:] = picture
        self._draw_detections(view, answer)
        self._draw_bar(answer, moment)
        self._draw_ledger(ledger)
        return self._canvas

    def _draw_detections(self, view: Image, answer: Answer) -> None:
        detections = answer.detections
        if not len(detections):
            return
        self._boxes[answer.how].annotate(view, detections)
        self._labels.annotate(view, detections, labels=_labels(detections))

    def _draw_bar(self, answer: Answer, moment: Moment) -> None:
        bar = self._canvas[: self.top]
        bar[:] = _PAPER
        chip = answer.how.value.upper()
        left = self._px(8)
        right = left + self._text_width(chip) + self._px(16)
        self._pill(bar, left, right, _CHIPS[answer.how])
        self._write(bar, chip, left + self._px(8), _INK)
        left = self._write(bar, answer.by, right + self._px(10), _INK)
        minutes, seconds = divmod(max(0.0, moment.pts), 60)
        borrowed = "" if moment.picture_seq == moment.seq else f" (picture of #{moment.picture_seq})"
        place = f"{moment.stream}   #{moment.seq}{borrowed}   {int(minutes)}:{seconds:05.2f}"
        end = self.width - self._text_width(place) - self._px(10)
        self._write(bar, self._fitting(answer.reason, end - left - self._px(24)), left + self._px(12), _FAINT)
        if end > left:
            self._write(bar, place, end, _INK)

    def _draw_ledger(self, ledger: Mapping[str, int]) -> None:
        import cv2

        strip = self._canvas[self.top + self.height :]
        strip[:] = _PAPER
        total = sum(ledger.values())
        if not total:
            return
        begin, span = self._px(8), self.width - 2 * self._px(8)
        top, bottom, square = self._px(6), self._px(14), self._px(7)
        done, left = 0, begin
        legend = strip[self._px(14) :]
        for stage in ledger:
            colour = self._stages.setdefault(stage, _STAGES[len(self._stages) % len(_STAGES)])
            x0 = begin + span * done // total
            done += ledger[stage]
            x1 = begin + span * done // total
            strip[top:bottom, x0:x1] = colour
            share = f"{stage} {_share(ledger[stage], total)}"
            if left + self._text_width(share) + self._px(12) > self.width:
                continue
            middle = legend.shape[0] // 2
            cv2.rectangle(legend, (left, middle - square // 2), (left + square, middle + square // 2), colour, -1)
            left = self._write(legend, share, left + square + self._px(5), _INK) + self._px(16)

    def _pill(self, bar: Image, left: int, right: int, colour: Colour) -> None:
        import cv2

        middle, radius = bar.shape[0] // 2, self._px(9)
        cv2.line(bar, (left + radius, middle), (right - radius, middle), colour, 2 * radius, cv2.LINE_AA)

    def _write(self, bar: Image, text: str, left: int, colour: Colour) -> int:
        """Write a line at half the bar's height; returns where it ends."""
        import cv2

        base = bar.shape[0] // 2 + self._px(5)
        cv2.putText(bar, text, (left, base), cv2.FONT_HERSHEY_SIMPLEX, self._scale, colour, 1, cv2.LINE_AA)
        return left + self._text_width(text)

    def _text_width(self, text: str) -> int:
        import cv2

        return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, self._scale, 1)[0][0])

    def _fitting(self, text: str, width: int) -> str:
        """As much of a text as is not wider than `width` pixels."""
        while text and self._text_width(text) > width:
            text = text[: min(len(text) - 1, len(text) * max(0, width) // self._text_width(text))]
        return text

    @property
    def _scale(self) -> float:
        return 0.42 * self._unit

    def _px(self, at_768: float) -> int:
        """A length that is meant for pictures 768 pixels wide."""
        return max(1, round(at_768 * self._unit))


def _labels(detections: sv.Detections) -> list[str]:
    names = detections.data.get("class_name")
    labels = []
    for index in range(len(detections)):
        parts = [str(names[index])] if names is not None else []
        if detections.confidence is not None:
            parts.append(f"{detections.confidence[index]:.2f}")
        if detections.tracker_id is not None and detections.tracker_id[index] >= 0:
            parts.append(f"#{detections.tracker_id[index]}")
        labels.append(" ".join(parts))
    return labels


def _share(count: int, total: int) -> str:
    share = 100 * count / total
    return f"{share:.0f} %" if share >= 10 or share == 0 else f"{share:.1f} %"
