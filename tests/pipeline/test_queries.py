"""What queries share. What must hold:

- queries share the pictures of a stream where all that says which pictures come is the same, and nothing else counts;
- they share looks of a network at one size and precision, whatever each calls it and looks for.
"""

from __future__ import annotations

import pytest

from vidpipe.pipeline.queries import SharedNetwork, SharedStream, shared_networks, shared_streams
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml import build


def query(
    name: str = "big", classes: tuple[str, ...] = ("person",), size: int | None = None, **stream: object
) -> Pipeline:
    stage = {"id": "look", "type": "detect", "model": name} | ({"size": size} if size else {})
    return build.Pipeline(
        [stage],
        classes={each: each for each in classes},
        models={name: {"path": "yolox:yolox_tiny"}},
        streams={"cam": {"url": "rtsp://10.0.0.9/main", **stream}},
    )


@pytest.mark.parametrize(
    "stream", [{"floor": 0.9}, {"want": "presence"}, {"weight": 2.0}, {"zones": {"z": [(0, 0), (1, 0), (1, 1)]}}]
)
def test_what_does_not_change_pictures_keeps_nobody_apart(stream):
    assert shared_streams({"a": query(), "b": query(**stream)}) == [SharedStream("cam", ("a", "b"))]


@pytest.mark.parametrize(
    ("stream", "field"),
    [
        ({"mask": [[(0, 0), (1, 0), (1, 1)]]}, "`mask`"),
        ({"url": "rtsp://user:secret@10.0.0.9/sub"}, "`url`"),
        ({"skip_frame": "nokey"}, "`skip_frame`"),
    ],
)
def test_other_pictures_are_read_apart_and_no_address_is_told(stream, field):
    shared = shared_streams({"a": query(), "b": query(**stream), "c": query()})
    assert shared == [SharedStream("cam", ("a", "c")), SharedStream("cam", ("b",), field)]


def test_looks_are_shared_by_network_size_and_precision():
    pipelines = {"a": query(), "b": query("mine", ("bus", "car")), "c": query(size=320)}
    assert shared_networks(pipelines) == [
        SharedNetwork("yolox:yolox_tiny", {"a": "big", "b": "mine"}),
        SharedNetwork("yolox:yolox_tiny@320", {"c": "big"}),
    ]
