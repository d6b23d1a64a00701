"""Cameras that send MJPEG over HTTP, as many a cheap one does."""

import http.server
import threading
import time
from itertools import pairwise

import cv2
import numpy as np
import pytest

from tests import clips
from vidpipe.core.frame import Missing
from vidpipe.sources.health import State


class Camera(http.server.BaseHTTPRequestHandler):
    """Twenty-five JPEG pictures a second, which carry their numbers, until it is told to stop.

    Some are cut off: by two bytes, or in the middle.
    """

    def do_GET(self):
        if self.path == "/login":
            page = b"<!DOCTYPE html><html><body>Who are you?</body></html>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)
            self.server.asked.append(self.headers.get("Authorization"))
            return
        if self.path not in ("/video.mjpg", "/cut.mjpg"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        number = 0
        while not self.server.stopped.wait(0.04):
            picture = cv2.imencode(".jpg", np.dstack([clips.scene(number % 256)] * 3))[1].tobytes()
            if self.path == "/cut.mjpg" and number % 5 == 4:
                picture = picture[: -2 if number % 2 else len(picture) // 2]
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + picture + b"\r\n")
            except OSError:
                return
            number += 1

    def log_message(self, *_):
        pass


@pytest.fixture
def camera():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    server.daemon_threads = True
    server.stopped = threading.Event()
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.stopped.set()
    server.shutdown()
    server.server_close()


@pytest.mark.timed
def test_pictures_come_with_the_time_of_their_arrival(camera, view):
    viewer = view(f"http://127.0.0.1:{camera.server_port}/video.mjpg")
    viewer.until_more(25)
    frames = viewer.frames
    assert [clips.number(frame.luma()) for frame in frames] == list(
        range(clips.number(frames[0].luma()), clips.number(frames[0].luma()) + len(frames))
    )
    assert all(later.pts > sooner.pts for sooner, later in pairwise(frames))
    assert abs(frames[-1].captured_at - time.time()) < 1
    assert viewer.source.health.codec == "mjpeg"


@pytest.mark.long
def test_pictures_that_are_cut_off_are_dropped_as_damaged(camera, view):
    viewer = view(f"http://127.0.0.1:{camera.server_port}/cut.mjpg")
    viewer.until_more(40)
    damaged = {item.reason for item in viewer.items if isinstance(item, Missing) and item.reason != "overloaded"}
    assert damaged == {"damaged: cut off before its end"}
    assert all(clips.number(frame.luma()) % 5 != 4 for frame in viewer.frames)


def test_it_is_seen_again_after_it_has_gone(camera, view):
    viewer = view(f"http://127.0.0.1:{camera.server_port}/video.mjpg")
    viewer.until_more(3)
    camera.stopped.set()
    viewer.until(lambda: viewer.source.health.state is State.BACKING_OFF)
    camera.stopped.clear()
    viewer.until_more(3)


def test_a_web_page_in_place_of_video_is_said(camera, view):
    viewer = view(f"http://ann:s3cret@127.0.0.1:{camera.server_port}/login")
    viewer.until(lambda: viewer.source.health.detail.startswith("the camera answers with a web page, not with video"))
    assert camera.asked[-1] is None, "who looks what it is shows no password"


def test_a_wrong_path_is_said(camera, view):
    viewer = view(f"http://127.0.0.1:{camera.server_port}/other")
    viewer.until(lambda: viewer.source.health.detail.startswith("404"))


def test_a_device_that_is_not_there_is_said(view):
    viewer = view("/dev/video99")
    viewer.until(lambda: viewer.source.health.state is State.BACKING_OFF)
    assert "there is no such device" in viewer.source.health.detail
