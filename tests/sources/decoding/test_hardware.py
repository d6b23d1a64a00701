"""Decoding by hardware: used only where it is there, and right."""

import av
import pytest

from tests import clips
from vidpipe.sources.decoding import hardware


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
    monkeypatch.setattr(hardware, "_DEVICES", {"cuda": str(tmp_path / "nvidia0")})
    monkeypatch.setattr(hardware, "hwdevices_available", lambda: ["cuda"])
    monkeypatch.setattr(hardware, "HWAccel", _no_driver)
    hardware._is_there.cache_clear()
    assert hardware.accelerator() is None
    hardware._is_there.cache_clear()


def _no_driver(kind):
    raise av.error.PermissionError(1, "Operation not permitted")


def test_what_was_wrong_once_is_not_used_again(monkeypatch):
    monkeypatch.setattr(hardware, "_is_there", lambda kind: kind == "vaapi")
    monkeypatch.setattr(hardware, "_refused", set())
    assert hardware.accelerator() == "vaapi"
    hardware.refuse("vaapi")
    assert hardware.accelerator() is None
