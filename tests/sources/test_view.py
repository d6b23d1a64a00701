"""What a mask hides no stage sees, in any view; what it does not hide is left as it was."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests import clips
from vidpipe.core.errors import SourceError
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.files.file import FileSource
from vidpipe.sources.view import View

LEFT = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]
TOP = [(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5)]
WHOLE = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
TRIANGLE = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]
ARROW = [(0.0, 0.0), (1.0, 0.5), (0.0, 1.0), (0.5, 0.5)]  # not convex


def hidden(rows: slice, columns: slice) -> np.ndarray:
    picture = np.zeros((120, 160), bool)
    picture[rows, columns] = True
    return picture


ALL = slice(None)


@pytest.mark.parametrize(
    ("mask", "regions", "expected"),
    [
        ([LEFT], [], hidden(ALL, slice(80))),
        ([], [LEFT], hidden(ALL, slice(80, None))),
        ([LEFT, TOP], [], hidden(ALL, slice(80)) | hidden(slice(60), ALL)),
        ([], [LEFT, TOP], hidden(slice(60, None), slice(80, None))),
        ([TOP], [LEFT], hidden(ALL, slice(80, None)) | hidden(slice(60), ALL)),
        ([], [WHOLE], hidden(slice(0), slice(0))),
        ([WHOLE], [], hidden(ALL, ALL)),
    ],
)
def test_hidden(mask: list[Any], regions: list[Any], expected: np.ndarray) -> None:
    view = View(mask, regions)
    assert np.array_equal(view.hidden(160, 120), expected)
    assert view.visible(160, 120) == pytest.approx(1 - expected.mean())


@pytest.mark.parametrize(("polygon", "share"), [(TRIANGLE, 0.5), (ARROW, 0.25)])
def test_share_of_slanting_polygons(polygon: list[Any], share: float) -> None:
    assert View([], [polygon]).visible(320, 240) == pytest.approx(share, abs=0.005)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0, 0, 100, 100), True),  # centre 50, 50
        ((0, 0, 158, 100), True),
        ((0, 0, 161, 100), False),
        ((150, 0, 400, 300), False),  # reaches beyond the picture
        ((-300, 0, 20, 20), True),
    ],
)
def test_hides_boxes_by_their_centre(box: tuple[float, ...], expected: bool) -> None:
    view = View([LEFT], [])
    assert view.hides(np.array([box, box], np.float32), 160, 120).tolist() == [expected] * 2
    assert view.hides(np.empty((0, 4), np.float32), 160, 120).tolist() == []


def test_nothing_hidden_costs_nothing() -> None:
    assert View.of(StreamSpec(url="clip.mp4")) is None


@pytest.mark.parametrize("size", [(160, 120), (166, 122), (161, 119)])
@pytest.mark.parametrize("coding", [{}, {"pix_fmt": "yuv422p10le"}, {"rotation": 90}])
def test_every_view_is_blank_where_hidden(tmp_path: Path, size: tuple[int, int], coding: dict[str, Any]) -> None:
    if size == (161, 119):
        coding = {**coding, "pix_fmt": "yuv444p"}
    path = clips.encode(tmp_path / "clip.mp4", size=size, frames=3, **coding)

    def last(**spec: Any) -> Frame:
        frame = list(FileSource("cam", StreamSpec(url=str(path), **spec), knobs=Knobs()))[-1]
        assert isinstance(frame, Frame)
        return frame

    plain, masked = last(), last(mask=[TRIANGLE])
    out = View([TRIANGLE], []).hidden(plain.width, plain.height)
    assert masked.visible == pytest.approx(0.5, abs=0.01)
    assert plain.visible == 1.0
    assert (masked.luma()[out] == 16).all()
    assert np.array_equal(masked.luma()[~out], plain.luma()[~out])
    near = np.ones((7, 7), np.uint8)  # chroma is shared by neighbours
    inside, outside = (cv2.erode(np.uint8(part), near) > 0 for part in (out, ~out))
    assert (masked.bgr()[inside] <= 2).all()
    levels = np.abs(masked.bgr().astype(int) - plain.bgr())[outside]
    assert levels.max() <= (2 if size[0] % 2 else 0)  # FFmpeg reads beyond the edge of an odd picture
    assert masked.preview(40)[:8, :8].max() <= 16


def test_each_size_has_its_own_mask(tmp_path: Path) -> None:
    parts = [
        clips.encode(tmp_path / f"{i}.ts", frames=30, size=size) for i, size in enumerate([(160, 120), (192, 144)])
    ]
    (tmp_path / "both.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    for frame in FileSource("cam", StreamSpec(url=str(tmp_path / "both.ts"), mask=[LEFT]), knobs=Knobs()):
        assert isinstance(frame, Frame)
        assert (frame.luma()[:, : frame.width // 2] == 16).all()
        assert frame.luma()[:, frame.width // 2 :].std() > 5


@pytest.mark.parametrize("spec", [{"mask": [WHOLE]}, {"regions": [LEFT], "mask": [LEFT]}])
def test_a_view_that_hides_everything_is_refused(tmp_path: Path, spec: dict[str, Any]) -> None:
    path = clips.encode(tmp_path / "clip.mp4", frames=3)
    with pytest.raises(SourceError, match="mask and regions of stream cam hide the whole picture"):
        FileSource("cam", StreamSpec(url=str(path), **spec), knobs=Knobs())
