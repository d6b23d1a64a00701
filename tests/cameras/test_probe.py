"""`vidpipe probe` on real servers."""

import re

import pytest
from typer.testing import CliRunner

from tests import clips
from tests.cameras import servers
from vidpipe.cli.main import app
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.sources.cameras.probe import substream


def probed(*arguments):
    """What is printed, line by line; its first word or two say of what."""
    result = CliRunner().invoke(app, ["probe", *arguments], standalone_mode=False, env={"COLUMNS": "200"})
    if result.exception:
        raise result.exception
    return result.stdout


@pytest.mark.long
def test_what_a_camera_sends_is_told(serve, clip):
    said = probed(serve({"/a": clip}).url(), "--seconds", "3")
    for line in (
        r"codec +h264 High",
        r"size +160x120, yuv420p",
        r"pictures a second +2[45]\.\d measured, 25 announced",
        r"bit rate +\d+ kbit/s",
        r"key frames +every 10 pictures, at most 0\.4 s apart",
        r"B-frames +none",
        r"connection +tcp, open after \d\.\d\d s, first picture after \d\.\d\d s",
    ):
        assert re.search(line, said), f"{line} not in\n{said}"
    assert "hint" not in said


@pytest.mark.long
def test_b_frames_do_not_change_the_rate(serve, tmp_path):
    clip = servers.encode(tmp_path / "b.units", gop=10, b_frames=3, fps=10)
    said = probed(serve({"/a": clip}).url(), "--seconds", "5")
    assert re.search(r"pictures a second +(9\.[5-9]|10\.[0-5]) measured, 10 announced", said), said
    assert re.search(r"key frames +every 10 pictures, at most 1\.0 s apart", said), said
    assert re.search(r"B-frames +yes", said), said


@pytest.mark.long
def test_what_makes_it_dear_is_hinted_at(serve, tmp_path):
    still = clips.picture(0, 1280, 800)
    large = servers.encode(
        tmp_path / "large.units", size=(1280, 800), gop=25, frames=25, fps=10, picture=lambda *_: still
    )
    said = probed(serve({"/stream1": large}).url("/stream1"), "--seconds", "6")
    assert "give a smaller stream as url, this as record_url; its maker's may be called stream2" in said
    assert "with a key frame at least every 2 s" in said


def test_why_it_cannot_be_watched_is_told(serve, clip):
    server = serve({"/a": clip}, user="u.x", password="p@ss")
    for url, says in [
        (server.url(user="u.x:no"), "401: wrong user or password"),
        (server.url("/b", user="u.x:p@ss"), "404: the camera has no stream of this path"),
        (f"rtsp://127.0.0.1:{servers.free_port()}/a", "connection refused"),
    ]:
        with pytest.raises(RunError, match=says):
            probed(url)


@pytest.mark.parametrize("url", ["clip.mp4", "sftp://u:p@host/a", "${env:NOT_THERE}"])
def test_what_is_no_address_is_a_mistake(url):
    with pytest.raises(ConfigError):
        probed(url)


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("rtsp://h/Streaming/Channels/101", "/Channels/102"),
        ("rtsp://h/cam/realmonitor?channel=1&subtype=0", "subtype=1"),
        ("rtsp://h/h264Preview_01_main", "_sub"),
        ("rtsp://h/live", None),
    ],
)
def test_what_makers_call_the_smaller_stream(url, other):
    assert substream(url) == other
