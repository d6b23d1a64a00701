"""Addresses of cameras. What must hold: the secret part comes out of `reveal` alone, whatever it looks like."""

import copy
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.core.errors import SourceError
from vidpipe.core.settings import Knobs
from vidpipe.sources.address import Address, is_camera
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import expand, open_source


@pytest.mark.parametrize(
    ("written", "revealed", "shown"),
    [
        ("rtsp://10.0.0.5/s1", "rtsp://10.0.0.5/s1", "rtsp://10.0.0.5"),
        ("rtsp://u.x:p@ss/w#1@host", "rtsp://u.x:p%40ss%2Fw%231@host", "rtsp://host"),
        ("rtsp://u.x:p@ss/w#1@host:554/a?b=c", "rtsp://u.x:p%40ss%2Fw%231@host:554/a?b=c", "rtsp://host:554"),
        ("rtsp://u:p%40ss@host/a", "rtsp://u:p%40ss@host/a", "rtsp://host"),
        ("rtsp://u:100%@host/a", "rtsp://u:100%25@host/a", "rtsp://host"),
        ("rtsp://u:se/cret@host/a", "rtsp://u:se%2Fcret@host/a", "rtsp://host"),
        ("rtsp://host/cam@1", "rtsp://host/cam@1", "rtsp://host"),
        ("rtsp://host/?user=joe&password=secret", "rtsp://host/?user=joe&password=secret", "rtsp://host"),
        ("http://host/user=joe_password=secret.mjpg", "http://host/user=joe_password=secret.mjpg", "http://host"),
        ("RTSPS://[fe80::1]:322/a", "rtsps://[fe80::1]:322/a", "RTSPS://[fe80::1]:322"),
        ("/dev/video0", "/dev/video0", "/dev/video0"),
        ("v4l2:/dev/video0", "/dev/video0", "/dev/video0"),
    ],
)
def test_what_is_shown_and_what_ffmpeg_gets(written, revealed, shown):
    address = Address(written)
    assert is_camera(written)
    assert address.reveal() == revealed
    assert (str(address), repr(address), f"{address}") == (shown, shown, shown)


SECRET = st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=6).map(lambda text: f"7h{text}x9")


@given(SECRET, SECRET, st.sampled_from(["rtsp", "rtsps", "http"]))
def test_law_no_part_of_a_password_is_ever_shown(user, password, scheme):
    address = Address(f"{scheme}://{user}:{password}@camera.lan:554/live")
    assert str(address) == f"{scheme}://camera.lan:554"
    revealed = address.reveal()
    assert revealed.endswith("@camera.lan:554/live")
    assert not set(revealed.removeprefix(f"{scheme}://").rpartition("@")[0]) & set("@/#? ")


def test_it_may_be_kept_elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("GATE", "rtsp://u:s3cret@host/a")
    (tmp_path / "pass").write_text("s3cret\n")
    from_file = Address(f"rtsp://u:${{file:{tmp_path / 'pass'}}}@host/a")
    for address in (Address("${env:GATE}"), from_file):
        assert address.reveal() == "rtsp://u:s3cret@host/a"
        assert address.scheme == "rtsp"
        assert address.host == ("host", 554)
        assert b"s3cret" not in pickle.dumps(address)
        assert copy.deepcopy(address) == address
        assert str(address) == "an address that is kept secret"
    monkeypatch.setenv("GATE", "rtsp://u:n3w@host/a")
    assert Address("${env:GATE}").reveal() == "rtsp://u:n3w@host/a"


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("${env:NOT_THERE}", "environment variable NOT_THERE is not set"),
        ("${file:/not/there}", "file /not/there, .* cannot be read"),
        ("ftp://u:s3cret@host/a", "addresses of kind ftp:// cannot be read"),
        ("rtsp://u:s3cret@/a", "must be of the form"),
        ("rtsp://", "must be of the form"),
    ],
)
def test_what_is_wrong_is_said_without_the_address(written, says):
    with pytest.raises(SourceError, match=says) as caught:
        Address(written).reveal()
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "written", ["u.x:s3cret/w#1@host", "joe:s3cret@10.0.0.5/stream1", "10.0.0.5/?user=joe&password=s3cret"]
)
def test_without_a_scheme_it_is_not_taken_for_a_path_and_repeated(written):
    for attempt in (
        lambda: expand(written),
        lambda: expand(f"gate={written}"),
        lambda: open_source("gate", StreamSpec(url=written), knobs=Knobs()),
    ):
        with pytest.raises(SourceError, match="begin it with rtsp://") as caught:
            attempt()
        assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_settings_do_not_show_it():
    spec = StreamSpec(url="rtsp://u:s3cret@host/a", record_url="rtsp://u:s3cret@host/b")
    assert "s3cret" not in f"{spec} {spec!r}"
    with pytest.raises(ValueError, match="transport") as caught:
        StreamSpec(url="rtsp://u:s3cret@host/a", transport="s3cret")
    assert "s3cret" not in str(caught.value)
