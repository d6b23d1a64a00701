"""What a generated scene is made of: people, a bus and a street, cut by hand from one photograph.

The photograph is `bus.jpg` of the ultralytics package. It shows two whole men, two who are cut off by its edge (not
used), and a bus behind them. Outlines of people are in pixels of the photograph; those of bus and street in pixels of
`_level`, the photograph turned so that the bus's side is seen at a right angle and the kerb lies level.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.errors import ConfigError
from vidpipe.core.extras import how_to_install
from vidpipe.core.frame import Image
from vidpipe.testing.cutout import Cutout

Strip = NDArray[np.float32]

_ROWS = 576  # the street's own height: about what the photograph's detail is good for
_STREET = 514  # columns until the house front repeats
_BUS_TOP = 160  # row of `_level` that the bus's outline counts from
_UNDER = 120  # alpha of the dark under the bus: seen, but below the half from which a pixel belongs to the bus
_SOFT_PX = 0.8  # cut edges are blurred by this much: a camera's edge is never a step

_FLEECE = (
    "118,398 105,418 103,433 103,445 98,453 97,467 73,487 63,503 61,550 65,570 63,590 61,623 60,677 65,692 73,702 "
    "75,723 75,770 78,780 75,797 62,810 60,820 58,850 60,857 55,867 51,882 57,890 90,900 105,898 107,887 95,870 "
    "85,860 85,848 88,823 98,777 108,757 113,727 122,703 127,710 142,723 150,750 158,783 165,820 177,853 177,870 "
    "176,890 177,897 197,898 227,893 240,885 245,880 237,873 220,863 203,852 200,847 197,813 192,783 187,750 "
    "180,713 177,690 192,690 193,683 190,647 183,613 182,600 197,587 201,570 200,553 187,533 183,523 180,507 "
    "175,497 168,482 155,468 150,465 153,450 157,430 156,410 147,402 133,398"
)
_COAT = (
    "286,407 273,409 265,418 265,440 270,456 271,474 248,486 238,498 236,512 238,528 239,537 238,565 236,580 "
    "241,592 238,613 233,637 229,674 225,697 233,701 244,704 244,737 248,765 250,786 254,804 254,813 259,822 "
    "259,831 255,843 260,850 276,857 289,856 293,851 288,840 282,822 278,813 281,804 283,810 295,816 299,810 "
    "289,796 286,780 292,771 312,753 327,740 338,725 340,712 336,693 339,689 333,653 330,616 323,577 321,566 "
    "339,565 344,553 341,534 336,516 333,495 324,486 303,478 301,471 306,453 310,439 306,425 303,413"
)
_BUS = (
    "45,290 55,130 62,112 78,82 98,70 140,66 165,56 200,55 640,55 700,60 720,75 738,88 790,90 806,105 814,160 "
    "818,290 815,404 762,408 745,428 722,434 690,434 668,428 655,406 340,409 325,428 305,434 275,434 252,428 "
    "235,409 60,404 45,380"
)


@cache
def people() -> tuple[Cutout, ...]:
    """The two whole men of the photograph."""
    return (
        Cutout("man in fleece", "person", _cut(_photo(), _points(_FLEECE)), 1.82),
        Cutout("man in coat", "person", _cut(_photo(), _points(_COAT)), 1.76),
    )


@cache
def bus() -> Cutout:
    """The bus, with what stands in front of it in the photograph painted over."""
    level = _level().copy()
    _clear_bus(level)
    pixels = _cut(level, _points(_BUS, _BUS_TOP))
    under = pixels[340:, 25:-15]
    under[under[..., 3] < _UNDER] = (20, 18, 18, _UNDER)
    return Cutout("bus", "vehicle", pixels, 2.9, faces=-1)


def backdrop(width: int, height: int, start: float, mirrored: bool) -> Image:
    """The street without anybody: uint8 [height, width, 3].

    Args:
        start: which stretch of the street is seen, 0..1.
        mirrored: whether it is seen the other way round.
    """
    import cv2

    columns = round(_ROWS * width / height)
    begin = round(start * _STREET)
    street = np.clip(_street(begin + columns)[:, begin:], 0, 255).astype(np.uint8)
    shrinks = height < _ROWS
    picture = cv2.resize(street, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return np.ascontiguousarray(picture[:, ::-1] if mirrored else picture)


def _street(columns: int) -> Strip:
    """House, hedge, far kerb, road, near kerb and pavement, from strips of the photograph without people in them."""
    import cv2

    level, photo = _level().astype(np.float32), _photo().astype(np.float32)
    house = level[84:212, 105:362]  # right of it hangs a sign that detectors take for a car
    stones = photo[925:1065]
    grain = cv2.resize(_tiled(stones, columns).mean(2), (columns, 68), interpolation=cv2.INTER_AREA)
    grain -= cv2.GaussianBlur(grain, (0, 0), 9)
    asphalt = np.linspace(94, 110, 68, dtype=np.float32)[:, None] + 0.35 * grain

    street = np.zeros((_ROWS, columns, 3), np.float32)
    _lay(street, _tiled(house[12:, ::-1], columns), 0, 0)
    _lay(street, _tiled(house, columns), 112, 3)
    _lay(street, _tiled(level[136:194, 690:792] * 0.85, columns), 204, 14)
    _lay(street, _tiled(level[600:614, 410:535] * 0.92, columns), 262, 2)
    _lay(street, np.repeat(asphalt[..., None], 3, axis=2), 274, 2)
    _lay(street, _tiled(level[598:632, 410:535], columns), 338, 2)
    _lay(street, _tiled(level[632:736, 300:620], columns), 368, 6)
    _lay(street, _tiled(stones, columns), 436, 40)
    return street


def _tiled(strip: Strip, columns: int) -> Strip:
    """The strip and its mirror image in turn, so that no seam shows."""
    pair = np.hstack([strip, strip[:, ::-1]])
    return np.tile(pair, (1, -(-columns // pair.shape[1]), 1))[:, :columns]


def _lay(street: Strip, strip: Strip, top: int, fade: int) -> None:
    """Put a strip on the street, its first `fade` rows going over softly from what lies there."""
    rows = slice(top, top + len(strip))
    weight = np.clip((np.arange(len(strip), dtype=np.float32) + 0.5) / max(fade, 0.5), 0, 1)[:, None, None]
    street[rows] += (strip - street[rows]) * weight


def _clear_bus(level: Image) -> None:
    """Paint over the people and bollards with glass, sheet metal and wheel from elsewhere on the bus."""
    side = level[_BUS_TOP:]
    half = side[300:440, 640:705]
    wheel = np.hstack([half, half[:, ::-1]])
    sheet, skirt = side[282:412, 452:496], side[380:412, 452:496]
    glass, pillar = side[176:284, 352:452], side[118:166, 772:830][::-1]
    for source, x0, y0, x1, y1 in (
        (glass, 52, 172, 204, 284),
        (glass, 182, 172, 292, 270),
        (sheet, 36, 282, 215, 412),
        (sheet, 182, 266, 296, 412),
        (skirt, 362, 380, 404, 412),
        (skirt, 616, 376, 664, 412),
        (pillar, 772, 160, 830, 292),
        (sheet, 742, 286, 830, 412),
        (wheel, 640, 300, 770, 440),
        (wheel, 226, 300, 356, 440),
    ):
        _paint(side, source, x0, y0, x1, y1)


def _paint(target: Image, source: Image, x0: int, y0: int, x1: int, y1: int) -> None:
    import cv2

    patch = cv2.resize(source, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    weight = np.zeros(patch.shape[:2], np.float32)
    weight[3:-3, 3:-3] = 1
    weight = cv2.blur(weight, (7, 7))[..., None]
    target[y0:y1, x0:x1] = (patch * weight + target[y0:y1, x0:x1] * (1 - weight)).astype(np.uint8)


def _points(outline: str, top: int = 0) -> NDArray[np.int32]:
    return np.array([pair.split(",") for pair in outline.split()], np.int32) + np.array([0, top], np.int32)


def _cut(picture: Image, outline: NDArray[np.int32]) -> Image:
    import cv2

    alpha = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(alpha, [outline], 255, lineType=cv2.LINE_AA)
    alpha = cv2.GaussianBlur(cv2.erode(alpha, np.ones((3, 3), np.uint8)), (0, 0), _SOFT_PX)
    x, y, w, h = cv2.boundingRect(outline)
    return np.dstack([picture, alpha])[y : y + h, x : x + w]


@cache
def _photo() -> Image:
    import cv2

    package = find_spec("ultralytics")  # found, not imported: importing it takes seconds and torch
    if package is None or package.origin is None:
        raise ConfigError(f"the generated scene takes its photograph from Ultralytics: `{how_to_install('torch')}`")
    path = Path(package.origin).parent / "assets" / "bus.jpg"
    photo: Image | None = cv2.imread(str(path))
    if photo is None or photo.shape != (1080, 810, 3):
        raise ConfigError(f"the generated scene's photograph is not as it was: {path}; reinstall ultralytics")
    return photo


@cache
def _level() -> Image:
    """The photograph with the bus's side a rectangle, x 170..800 and y 270..570; uint8 [800, 860, 3]."""
    import cv2

    side = np.array([[200, 305], [790, 330], [790, 636], [200, 725]], np.float32)
    upright = np.array([[170, 270], [800, 270], [800, 570], [170, 570]], np.float32)
    turn = cv2.getPerspectiveTransform(side, upright)
    level: Image = cv2.warpPerspective(_photo(), turn, (860, 800), flags=cv2.INTER_CUBIC)
    return level
