"""Labels in the form of COCO (Lin et al., arXiv:1405.0312): JSON with images, annotations and categories."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, FiniteFloat, ValidationError

from vidpipe.accuracy.series import Boxes, Series
from vidpipe.bench.labels.drawn import Drawn, refuse_beyond, refuse_other_size
from vidpipe.core.errors import ConfigError

_Extent = Annotated[FiniteFloat, Field(gt=0)]


class _Image(BaseModel):
    id: int
    file_name: str = ""
    width: int | None = None
    height: int | None = None
    frame_id: int | None = None
    frame_index: int | None = None


class _Attributes(BaseModel):
    track_id: int | None = None


class _Annotation(BaseModel):
    image_id: int
    category_id: int
    bbox: tuple[FiniteFloat, FiniteFloat, _Extent, _Extent]
    iscrowd: bool = False
    track_id: int | None = None
    attributes: _Attributes = _Attributes()

    @property
    def track(self) -> int:
        track = self.attributes.track_id if self.track_id is None else self.track_id
        return -1 if track is None else max(track, -1)

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        x, y, width, height = self.bbox
        return x, y, x + width, y + height


class _Category(BaseModel):
    id: int
    name: str


class _Truth(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def read_coco(path: Path, text: str, clip: Series) -> Drawn:
    """Boxes of images that are frames of the clip; what is no image is not known.

    Which frame an image is says its `frame_id`, else its `frame_index`, where all images have one: from 0, unless they
    reach to the number of frames and so must count from 1. Else the number at the end of the file's name, before its
    suffix, where all have one, no two the same, and they fit the clip: from 0 if there is a 0, from 1 if they begin
    with 1 or reach to the number of frames, otherwise from 0. Else images are the first frames, in the order of the
    file. `iscrowd` makes a box a crowd; `track_id`, of the annotation or in its `attributes`, is its identity.

    Raises:
        ConfigError: the file is malformed, or the labels are not of this clip.
    """
    truth = _parse(path, text)
    for image in truth.images:
        refuse_other_size(f"{path}: image {image.id}", image.width, image.height, clip)
    numbers, note = _frames(path, truth.images, clip)
    frame_of = dict(zip((image.id for image in truth.images), numbers, strict=True))
    label_of = {category.id: label for label, category in enumerate(truth.categories)}
    for position, drawn in enumerate(truth.annotations):
        if drawn.image_id not in frame_of or drawn.category_id not in label_of:
            raise ConfigError(
                f"labels {path}: annotations.{position} is of image {drawn.image_id} and category "
                f"{drawn.category_id}, and not both are there"
            )
    boxes = Boxes.of(
        [frame_of[drawn.image_id] for drawn in truth.annotations],
        [drawn.xyxy for drawn in truth.annotations],
        label=[label_of[drawn.category_id] for drawn in truth.annotations],
        track=[drawn.track for drawn in truth.annotations],
        ignored=(crowd := [drawn.iscrowd for drawn in truth.annotations]),
        crowd=crowd,
    )
    return Drawn(boxes, tuple(category.name for category in truth.categories), True, numbers, [note])


def _parse(path: Path, text: str) -> _Truth:
    try:
        return _Truth.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        raise ConfigError(f"labels {path}:{error.lineno}: no JSON: {error.msg}") from None
    except ValidationError as error:
        first: Any = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "all of it"
        raise ConfigError(f"labels {path}: not COCO: {place}: {first['msg']}") from None


def _frames(path: Path, images: Sequence[_Image], clip: Series) -> tuple[list[int], str]:
    """The frame of each image, from 0, and how that was told."""
    if not images:
        raise ConfigError(f"labels {path}: no images in it, so no frame is known")
    if len({image.id for image in images}) < len(images):
        raise ConfigError(f"labels {path}: two images have the same id")
    for key in ("frame_id", "frame_index"):
        told = [number for image in images if (number := getattr(image, key)) is not None]
        if len(told) == len(images):
            return _told(path, key, told, clip)
    ends = [re.search(r"\d+$", Path(image.file_name).stem) for image in images]
    numbers = [int(end[0]) for end in ends if end is not None]
    if len(numbers) == len(images) == len(set(numbers)):
        first = 1 if min(numbers) == 1 or (min(numbers) > 1 and max(numbers) == clip.frames) else 0
        if max(numbers) - first < clip.frames:
            return [number - first for number in numbers], f"images are frames by file_name, counted from {first}"
    refuse_beyond(path, len(images), clip)
    return list(range(len(images))), f"images are frames 0 to {len(images) - 1} in the order of the file"


def _told(path: Path, key: str, numbers: list[int], clip: Series) -> tuple[list[int], str]:
    first = 1 if min(numbers) > 0 and max(numbers) == clip.frames else 0
    refuse_beyond(path, max(numbers) - first + 1, clip)
    if min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise ConfigError(f"labels {path}: {key} is negative, or the same of two images: is it of one clip alone?")
    return [number - first for number in numbers], f"images are frames by {key}, counted from {first}"
