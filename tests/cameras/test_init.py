"""`vidpipe init`: from cameras in the network to a configuration that runs."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.cameras.onvif_device import OnvifDevice
from vidpipe.cli.commands import init as module
from vidpipe.cli.init import camera as cameras
from vidpipe.cli.main import app
from vidpipe.core.errors import ConfigError
from vidpipe.sources.cameras import onvif
from vidpipe.sources.cameras.errors import CameraError
from vidpipe.sources.cameras.onvif import Device, Offer

USER, PASSWORD = "admin", "p@ss:word/1"


@pytest.fixture
def device(serve, clip):
    server = serve({"/main": clip, "/sub": clip}, user=USER, password=PASSWORD)
    made = OnvifDevice(
        {"m": (server.url("/main"), 2560, 1440), "s": (server.url("/sub"), 640, 360)}, USER, PASSWORD, "Front Door"
    )
    yield made
    made.close()


@pytest.fixture
def near(device, monkeypatch):
    """The network that is asked is this machine's own, and somebody answers questions."""
    monkeypatch.setattr(module, "find", lambda _: onvif.find(1, ["127.0.0.1"]))
    monkeypatch.setattr(module, "is_answered", lambda: True)
    return device


def init(tmp_path, *arguments, answers=()):
    return CliRunner().invoke(
        app,
        ["init", "--out", str(tmp_path / "site"), "--seconds", "2", "--pipeline", "demo", *arguments],
        standalone_mode=False,
        input="".join(f"{answer}\n" for answer in answers),
        env={"COLUMNS": "200"},
    )


def written(tmp_path):
    """The streams of the configuration, with the addresses that they refer to."""
    streams = yaml.safe_load((tmp_path / "site/cameras.yaml").read_text())["streams"]
    return {
        name: {field: Path(re.fullmatch(r"\$\{file:(.*)\}", url)[1]).read_text() for field, url in stream.items()}
        for name, stream in streams.items()
    }


def test_a_camera_is_found_and_its_streams_are_told_to_its_user_only(device):
    (found,) = onvif.find(1, ["127.0.0.1"])
    assert (found.host, found.name, found.hardware) == ("127.0.0.1", "Front Door", "X1")
    with pytest.raises(CameraError, match="wrong user or password"):
        onvif.offers(found, USER, "guess")
    assert [(offer.width, offer.height) for offer in onvif.offers(found, USER, PASSWORD)] == [(2560, 1440), (640, 360)]


@pytest.mark.long
def test_from_a_camera_in_the_network_to_one_that_is_watched(near, tmp_path):
    said = init(tmp_path, answers=["y", "", "", "wrong", "y", "", PASSWORD, "", "n"])
    assert said.exception is None, said.output
    assert "wrong user or password" in said.output
    assert "Front-Door: h264 160x120, 2" in said.output
    streams = written(tmp_path)
    ((name, stream),) = streams.items()
    assert name == "Front-Door"
    assert stream["url"].startswith(f"rtsp://{USER}:{PASSWORD}@127.0.0.1")
    assert stream["url"].endswith("/sub")
    assert stream["record_url"].endswith("/main")
    assert PASSWORD not in said.output
    assert PASSWORD not in (tmp_path / "site/cameras.yaml").read_text()
    for path in (tmp_path / "site/secrets").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_cameras_that_are_given_need_nobody_to_answer(tmp_path):
    said = init(tmp_path, "--camera", "a=rtsp://u:p@127.0.0.1:9/x", "--camera", "b=${env:GATE_URL}")
    assert isinstance(said.exception, Exception)  # GATE_URL is not set
    assert "GATE_URL" in str(said.exception)
    assert not (tmp_path / "site").exists()
    said = init(tmp_path, "--camera", "a=rtsp://u:p@127.0.0.1:9/x")
    assert said.exception is None, said.output
    assert "a: cannot be watched now: connection refused" in said.output
    assert written(tmp_path) == {"a": {"url": "rtsp://u:p@127.0.0.1:9/x"}}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "nothing to watch"),
        (["--camera", "rtsp://u:secret@h/x"], "write NAME=URL"),
        (["--camera", "a/b=rtsp://u:secret@h/x"], "write NAME=URL"),
        (["--camera", "a=u:secret@h"], "must begin with rtsp://"),
        (["--camera", "a=rtsp://h/1", "--camera", "a=rtsp://h/2"], "there is a camera a already"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_written(tmp_path, arguments, says):
    said = init(tmp_path, *arguments)
    assert isinstance(said.exception, ConfigError)
    assert says in str(said.exception)
    assert "secret" not in str(said.exception)
    assert not (tmp_path / "site").exists()


def test_what_is_there_is_not_overwritten(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/cameras.yaml").write_text("mine")
    said = init(tmp_path, "--camera", "a=rtsp://127.0.0.1:9/x")
    assert "is there already" in str(said.exception)
    assert (tmp_path / "site/cameras.yaml").read_text() == "mine"


@pytest.mark.long
def test_a_device_that_sends_nonsense_is_no_crash():
    for service in ("", "http://[", "no address at all", "http://127.0.0.1:1/x"):
        with pytest.raises(CameraError):
            onvif.offers(Device("h", service), USER, PASSWORD, timeout_s=0.5)


@given(st.text(max_size=60), st.lists(st.text(max_size=5)))
def test_any_name_becomes_one_that_a_file_can_have(told, taken):
    name = cameras.name_of(told, taken)
    assert re.fullmatch(r"[A-Za-z0-9._][A-Za-z0-9._-]*", name)
    assert name not in taken
    assert cameras.name_of(name, ()) == name


@given(st.lists(st.tuples(st.integers(1, 4000), st.integers(1, 4000)), min_size=1))
def test_what_is_watched_fills_a_detector_where_anything_does(sizes):
    watched, recorded = cameras.choose([Offer(str(number), *size) for number, size in enumerate(sizes)])
    assert recorded.pixels == max(width * height for width, height in sizes)
    fills = [width * height for width, height in sizes if max(width, height) >= 640]
    assert watched.pixels == min(fills, default=recorded.pixels)
