"""Cameras on real servers, and what can go wrong with them. What must hold, whatever happens:

- every picture that came over the wire is given once, in order, with the reason if there is nothing to see;
- after a fault the camera is seen again by itself, soon; what comes behind it has another `discontinuity`;
- health says what is the matter, in words without any secret;
- whoever closes a source is not kept waiting.
"""

import socket
import threading
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests import clips
from tests.cameras import servers
from tests.cameras.conftest import HURRY
from tests.cameras.proxy import Proxy
from vidpipe.core.frame import Frame, Missing
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.cameras import camera
from vidpipe.sources.cameras.camera import CameraSource
from vidpipe.sources.cameras.connection import Connection
from vidpipe.sources.decoding import hardware
from vidpipe.sources.decoding.hardware import Accelerators
from vidpipe.sources.health import State


def in_order(viewer):
    items = list(viewer.items)
    assert [item.seq for item in items] == list(range(len(items)))
    assert all(later.pts > sooner.pts for sooner, later in pairwise(items))


def numbers(frames):
    return [clips.number(frame.luma()) for frame in frames]


def stretches(viewer):
    return list(dict.fromkeys(frame.discontinuity for frame in viewer.frames))


@pytest.mark.timed
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_pictures_come_whole_and_on_time(serve, view, clip, transport):
    server = serve({"/a": clip}, transports=[transport])
    viewer = view(server.url(), transport=transport)
    viewer.until_more(30)
    in_order(viewer)
    first = viewer.frames[0]
    assert clips.number(first.luma()) % 10 == 0, "the first picture is a key frame"
    came = numbers(viewer.frames)
    assert sum((later - sooner) % 50 == 1 for sooner, later in pairwise(came)) >= 25
    assert all(item.reason == "waiting for a key frame" for item in list(viewer.items)[: first.seq])
    assert abs(viewer.frames[-1].captured_at - time.time()) < 1
    health = viewer.source.health
    assert (health.state, health.codec, health.width, health.height) == (State.LIVE, "h264", 160, 120)
    assert health.received >= health.decoded >= 30
    assert viewer.source.info.live


@pytest.mark.timed
def test_a_camera_that_does_not_describe_its_stream_is_seen_a_picture_later(serve, view, clip):
    viewer = view(serve({"/a": clip | {"described": False}}).url())
    viewer.until_more(30)
    in_order(viewer)
    assert abs(viewer.frames[-1].captured_at - time.time()) < 1


@pytest.mark.timed
def test_h265(serve, view, tmp_path):
    viewer = view(serve({"/a": servers.encode(tmp_path / "clip.units", codec="h265")}).url())
    viewer.until_more(30)
    in_order(viewer)
    assert viewer.source.health.codec == "hevc"
    came = numbers(viewer.frames)
    assert sum((later - sooner) % 50 == 1 for sooner, later in pairwise(came)) >= 25


@pytest.mark.long
@pytest.mark.timed
def test_pictures_of_two_slices_come_whole(serve, view, tmp_path):
    """Some slices are as long as just fits into a packet, a byte more than in a fragment of a longer one."""
    large = {"slices": "2", "crf": "12"}
    clip = servers.encode(tmp_path / "clip.units", frames=100, size=(320, 240), picture=_more_and_less, options=large)
    longest = 1400 - 12  # what the server's packets hold behind RTP's header
    viewer = view(serve({"/a": servers.stretched(clip, tmp_path / "stretched.units", longest)}).url())
    viewer.until_more(150)
    in_order(viewer)
    came = list(viewer.items)[viewer.frames[0].seq :]
    assert {item.reason for item in came if isinstance(item, Missing)} <= {"overloaded"}


def _more_and_less(number, width, height):
    """Texture that changes from picture to picture; in five of fifty there is little of it."""
    frame = clips.picture(number % 50, width, height)
    luma = clips.scene(number % 50, width, height)
    if number % 50 < 45:
        luma[30:-30, 30:-30] ^= np.random.default_rng(number).integers(0, 16, (height - 60, width - 60), np.uint8)
    else:
        luma[30:-30, 30:-30] = 100
    rows = np.zeros((height, frame.planes[0].line_size), np.uint8)
    rows[:, :width] = luma
    frame.planes[0].update(rows)
    return frame


@pytest.mark.long
@pytest.mark.timed
def test_b_frames_come_in_order_and_are_all_decoded(serve, view, tmp_path):
    """They keep a stream from resting: its decoder always holds pictures that it would have to forget."""
    still = clips.picture(0)
    clip = servers.encode(tmp_path / "still.units", gop=10, b_frames=2, picture=lambda *_: still)
    moving = servers.encode(tmp_path / "moving.units", gop=10, b_frames=2)
    assert any(later < sooner for sooner, later in pairwise(clip["order"]))
    server = serve({"/still": clip, "/moving": moving})
    viewers = [view(server.url(path), replace(HURRY, still_s=0.5)) for path in ("/still", "/moving")]
    for viewer in viewers:
        viewer.until_more(60)
        in_order(viewer)
        behind_key = list(viewer.items)[viewer.frames[0].seq :]
        assert {item.reason for item in behind_key if isinstance(item, Missing)} <= {"damaged: no picture"}
        assert sum(isinstance(item, Missing) for item in behind_key) <= 2, "those that build on the group before"
        assert np.diff([item.pts for item in behind_key]).min() > 0.02, "a picture's time is that of its showing"
    came = numbers(viewers[1].frames)
    assert sum((later - sooner) % 50 == 1 for sooner, later in pairwise(came)) >= 50


def test_udp_is_taken_where_nothing_else_is_offered(serve, view, clip):
    viewer = view(serve({"/a": clip}, transports=["udp"]).url())
    viewer.until_more()


def test_a_server_that_is_killed_and_comes_back_is_seen_again(serve, view, clip):
    server = serve({"/a": clip})
    viewer = view(server.url())
    viewer.until_more()
    server.kill()
    viewer.until(lambda: viewer.source.health.state is State.BACKING_OFF)
    assert viewer.source.health.detail.startswith(("the camera ended the connection", "connection refused"))
    server.start()
    viewer.until_more()
    in_order(viewer)
    assert len(stretches(viewer)) == 2
    health = viewer.source.health
    assert health.reconnects == 1
    assert 0 < health.gap_s < 10


@pytest.mark.long
def test_a_server_that_hangs_is_noticed_and_left(serve, view, clip, caplog):
    server = serve({"/a": clip})
    viewer = view(server.url())
    viewer.until_more()
    server.pause()
    viewer.until(lambda: viewer.source.health.state is State.STALLED)
    viewer.until(lambda: "nothing came for 1 s" in caplog.text)
    assert viewer.source.health.stalls == 1
    viewer.until(lambda: "no answer within" in viewer.source.health.detail)
    server.go_on()
    viewer.until_more()
    in_order(viewer)
    assert len(stretches(viewer)) == 2


def test_another_size_is_taken_up(serve, view, clip, larger_clip):
    server = serve({"/a": clip})
    viewer = view(server.url(), mask=[[[0, 0.5], [1, 0.5], [1, 1], [0, 1]]])
    viewer.until_more()
    server.kill()
    server.mounts = {"/a": larger_clip}
    server.start()
    viewer.until_more()
    last = viewer.frames[-1]
    assert (last.width, last.height, last.luma().shape, last.hidden.shape) == (320, 240, (240, 320), (240, 320))
    assert len(stretches(viewer)) == 2
    assert viewer.source.info.width == 320


@pytest.mark.parametrize(
    ("user", "path", "says"),
    [("u.x:wrong", "/a", "401: wrong user or password"), ("u.x:p%40ss%2Fw%231", "/b", "404: the camera has no stream")],
)
def test_what_more_tries_cannot_help_is_tried_seldom_and_said_loudly(serve, view, clip, caplog, user, path, says):
    server = serve({"/a": clip}, user="u.x", password="p@ss/w#1")
    viewer = view(server.url(path, user=user))
    viewer.until(lambda: viewer.source.health.state is State.BACKING_OFF)
    assert viewer.source.health.detail.startswith(says)
    wait_s = float(viewer.source.health.detail.rsplit(" ", 2)[1])
    assert 0.5 <= wait_s <= 1.0, "from half the cap on, from the first time on"
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize("written", ["u.x:p@ss/w#1@", "u.x:p%40ss%2Fw%231@"])
def test_passwords_may_hold_anything(serve, view, clip, written):
    server = serve({"/a": clip}, user="u.x", password="p@ss/w#1")
    view(f"rtsp://{written}127.0.0.1:{server.port}/a").until_more()


def test_tls_with_a_certificate_that_is_trusted_and_one_that_is_not(serve, view, clip, certificate, monkeypatch):
    trusted, both = certificate
    server = serve({"/a": clip}, cert=str(both))
    stranger = view(server.url(scheme="rtsps"))
    stranger.until(lambda: "certificate" in stranger.source.health.detail)
    assert "its certificate is not accepted: self-signed certificate" in stranger.source.health.detail
    view(server.url(scheme="rtsps"), tls_verify=False).until_more()
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    view(server.url(scheme="rtsps")).until_more()


def test_tls_to_a_port_that_speaks_none(serve, view, clip):
    viewer = view(serve({"/a": clip}).url(scheme="rtsps"))
    viewer.until(lambda: "it does not speak TLS on this port" in viewer.source.health.detail)


def test_a_camera_with_sound_only_is_said(serve, view, clip):
    viewer = view(serve({"/a": clip | {"sound_only": True}}).url())
    viewer.until(lambda: viewer.source.health.detail.startswith("the camera sends only sound on this path, no video"))


def test_nobody_there(view):
    viewer = view(f"rtsp://127.0.0.1:{servers.free_port()}/a")
    viewer.until(lambda: "connection refused" in viewer.source.health.detail)
    other = view("rtsp://no-such-host.invalid/a")
    other.until(lambda: "no host of this name is known" in other.source.health.detail)
    other.close()
    assert other.source.notes == ["never seen: no host of this name is known"]


def test_rubbish_on_the_port(view):
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_talk_rubbish, args=(server,), daemon=True).start()
        viewer = view(f"rtsp://127.0.0.1:{server.getsockname()[1]}/a")
        viewer.until(lambda: viewer.source.health.state is State.BACKING_OFF)
        viewer.close()
    assert not viewer.items


def _talk_rubbish(server):
    noise = np.random.default_rng(0).bytes(4096)
    while True:
        try:
            talk, _ = server.accept()
            with talk:
                for _ in range(100):
                    talk.sendall(noise)
        except OSError:
            if server.fileno() < 0:
                return


@pytest.mark.long
def test_damaged_packets_are_dropped_and_counted(serve, view, clip, tmp_path):
    server = serve({"/a": servers.truncated(clip, tmp_path / "cut.units", every=7)})
    viewer = view(server.url())
    viewer.until_more(40)
    in_order(viewer)
    reasons = {item.reason.split(":")[0] for item in viewer.items if isinstance(item, Missing)}
    assert "damaged" in reasons
    assert viewer.source.health.state is State.LIVE


@pytest.mark.long
def test_a_way_that_drips_is_told_from_one_that_flows(serve, view, clip):
    server = serve({"/a": clip})
    with Proxy(server.port) as proxy:
        viewer = view(f"rtsp://127.0.0.1:{proxy.port}/a")
        viewer.until_more()
        proxy.bytes_per_s = 300
        viewer.until(lambda: viewer.source.health.state is State.BACKING_OFF)
        proxy.bytes_per_s = None
        viewer.until_more()
        in_order(viewer)


@pytest.mark.long
def test_bytes_that_are_lost_on_the_way_end_nothing_for_long(serve, view, clip):
    server = serve({"/a": clip})
    with Proxy(server.port) as proxy:
        viewer = view(f"rtsp://127.0.0.1:{proxy.port}/a")
        viewer.until_more()
        for _ in range(2):
            proxy.lose_next = 700
            viewer.until_more()
        in_order(viewer)


@pytest.mark.parametrize("blocked", ["in opening", "in reading"])
def test_closing_does_not_wait_for_a_server_that_hangs(serve, view, clip, blocked):
    server = serve({"/a": clip})
    if blocked == "in opening":
        server.pause()
    viewer = view(server.url())
    if blocked == "in reading":
        viewer.until_more()
        server.pause()
        viewer.until(lambda: viewer.source.health.state is State.STALLED)
    else:
        viewer.until(lambda: viewer.states == [State.CONNECTING] or viewer.source.health.state is State.CONNECTING)
    began = time.monotonic()
    viewer.close()
    assert time.monotonic() - began < 2
    assert viewer.source.health.state is State.STOPPED


@pytest.mark.long
def test_many_reconnects_leave_nothing_behind(serve, view, clip):
    """The proxy cuts the connection; a thousand of them are in `python -m tests.cameras.reconnects`."""
    server = serve({"/a": clip | {"from_key": True}})
    with Proxy(server.port) as proxy:
        viewer = view(f"rtsp://127.0.0.1:{proxy.port}/a", replace(HURRY, cap_s=0.01))
        counts = []
        for _ in range(12):
            viewer.until_more(1)
            proxy.cut()
            reconnects = viewer.source.health.reconnects
            viewer.until(lambda reconnects=reconnects: viewer.source.health.reconnects > reconnects)
            counts.append((sum(1 for _ in Path("/proc/self/fd").iterdir()), threading.active_count()))
        viewer.until_more(1)
        in_order(viewer)
        assert counts[-1][0] <= counts[4][0] + 2
        assert counts[-1][1] <= counts[4][1] + 2


@pytest.mark.timed
def test_a_queue_that_nobody_empties_keeps_the_newest(serve, clip):
    source = CameraSource("cam", StreamSpec(url=serve({"/a": clip}).url()), knobs=Knobs())
    ages, reasons = [], set()
    for item in source:
        if isinstance(item, Frame):
            ages.append(time.time() - item.captured_at)
            time.sleep(0.15)
        else:
            reasons.add(item.reason)
        if len(ages) == 12:
            break
    assert "overloaded" in reasons
    assert sorted(ages)[6] < 0.3


def test_hardware_that_decodes_wrongly_is_left_for_software(serve, view, clip, pretended, monkeypatch):
    """There is none here: software stands in for it, and is said to be wrong."""
    monkeypatch.setattr(hardware, "is_right", lambda *_: False)
    viewer = view(serve({"/a": clip}).url())
    viewer.until_more()
    assert viewer.source.health.decoder == "software, 1 thread"
    assert viewer.source.health.reconnects == 1
    in_order(viewer)


def test_hardware_is_held_against_the_packet_that_it_decoded(serve, view, tmp_path, pretended):
    """With B-frames a key frame's picture comes out when later packets have gone in."""
    viewer = view(serve({"/a": servers.encode(tmp_path / "moving.units", gop=10, b_frames=2)}).url())
    viewer.until_more()
    assert viewer.source.health.decoder == "cuda"
    assert viewer.source.health.reconnects == 0


def test_a_frozen_picture_is_not_the_hardwares_doing(serve, view, tmp_path, pretended):
    still = clips.picture(7)
    clip = servers.encode(tmp_path / "clip.units", frames=1, gop=1, picture=lambda *_: still)
    viewer = view(serve({"/a": clip}).url(), replace(HURRY, frozen_s=0.5, anomaly_s=0.5))
    viewer.until(lambda: viewer.source.health.reconnects == 1)
    viewer.until_more()
    assert viewer.source.health.decoder == "cuda"


@pytest.fixture
def pretended(monkeypatch):
    """Software that says it were hardware."""
    monkeypatch.setattr(hardware, "HERE", Accelerators(is_there=lambda kind, device: kind == "cuda"))
    monkeypatch.setattr(camera, "Connection", _Pretends)


class _Pretends(Connection):
    def __init__(self, spec, *, hardware, **settings):
        super().__init__(spec, **settings)
        self.hardware = hardware


@pytest.mark.parametrize("fault", [RuntimeError, SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError])
def test_a_fault_of_ours_is_told_and_does_not_end_the_camera(serve, view, clip, monkeypatch, caplog, fault):
    faults = iter([fault("rtsp://u:s3cret@host")])
    usual = camera.Session.run

    def run(session):
        for fault in faults:
            raise fault
        usual(session)

    monkeypatch.setattr(camera.Session, "run", run)
    viewer = view(serve({"/a": clip}).url())
    viewer.until_more()
    assert f"{fault.__name__} in test_faults.py" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.long
@pytest.mark.parametrize(("level", "says"), [(None, "the picture is frozen"), (16, "the picture is all of one grey")])
def test_pictures_that_show_nothing_are_told_and_worth_one_more_try(serve, view, tmp_path, level, says):
    def picture(_, width, height):
        frame = clips.picture(7, width, height)
        if level is not None:
            frame.planes[0].update(bytes([level]) * frame.planes[0].buffer_size)
        return frame

    server = serve({"/a": servers.encode(tmp_path / "clip.units", frames=1, gop=1, picture=picture)})
    viewer = view(server.url(), replace(HURRY, frozen_s=0.5, flat_s=0.4, anomaly_s=0.5))
    viewer.until(lambda: viewer.source.health.detail.startswith(says))
    assert viewer.source.health.state is State.LIVE
    viewer.until(lambda: viewer.source.health.reconnects == 1)
    viewer.until_more(40)
    assert viewer.source.health.reconnects == 1
    assert viewer.source.health.detail.startswith(says)
