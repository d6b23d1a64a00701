"""Decoding by hardware: used only where it is there, and right."""

import av
import pytest

from tests import clips
from vidpipe.sources.decoding import hardware
from vidpipe.sources.decoding.hardware import Accelerators


@pytest.fixture
def key(tmp_path):
    """The first packet of a clip, its decoder, and what that makes of it."""
    with av.open(str(clips.encode(tmp_path / "clip.mp4", frames=3))) as container:
        packet = next(container.demux(video=0))
        yield packet, container.streams.video[0].codec_context


def test_a_picture_is_right_if_software_makes_the_same(key):
    packet, context = key
    (picture,) = [*context.decode(packet), *context.decode(None)][:1]
    assert hardware.is_right(picture, packet, context)
    assert not hardware.is_right(clips.picture(77), packet, context)
    assert not hardware.is_right(clips.picture(0, 320, 240), packet, context)


def test_a_device_without_a_driver_is_not_there(monkeypatch, tmp_path):
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(hardware, "hwdevices_available", lambda: ["cuda"])
    monkeypatch.setattr(hardware, "HWAccel", _no_driver)
    assert not hardware.is_there("cuda", str(tmp_path / "nvidia0"))


def _no_driver(kind):
    raise av.error.PermissionError(1, "Operation not permitted")


def test_what_was_wrong_once_is_not_used_again():
    accelerators = Accelerators(is_there=lambda kind, device: kind == "vaapi")
    assert accelerators.best() == "vaapi"
    accelerators.refuse("vaapi")
    assert accelerators.best() is None
