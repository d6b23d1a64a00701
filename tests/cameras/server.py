"""An RTSP server on loopback, by GStreamer; run by the system's Python, which is the one that has its bindings.

Its first line of input is what to serve, as JSON:

    {"port": 0, "user": "u", "password": "p", "cert": "chain-and-key.pem", "transports": ["tcp", "udp"],
     "mounts": {"/a": {"units": "file", "codec": "h264", "fps": 10, "width": 704, "height": 576}}}

`units` is a pickled list of H.264 or H.265 access units (bytes), which are played in a loop with stamps that go on, in
real time, from `ahead_s` on. Like a camera's encoder it does not wait for anybody: who comes is given what there is at
that moment, with `from_key` from the next key frame on; with `at_key` it goes back to the last one, so that nobody
waits. Without `described` a stream's description holds no parameter sets. With `sound_only` there is a tone and no
video. It prints its port, and ends when its input does.
"""

import base64
import json
import pickle
import sys
import threading
import time
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

Gst.init(None)
TRANSPORTS = {"tcp": GstRtsp.RTSPLowerTrans.TCP, "udp": GstRtsp.RTSPLowerTrans.UDP}


class Camera(GstRtspServer.RTSPMediaFactory):
    def __init__(self, spec, transports):
        super().__init__()
        self.units = pickle.loads(Path(spec["units"]).read_bytes())
        self.codec = spec.get("codec", "h264")
        self.keys = {i for i, unit in enumerate(self.units) if is_key(unit, self.codec)}
        self.spec = spec
        self.began = time.monotonic() - spec.get("ahead_s", 0)
        self.set_shared(True)
        self.set_protocols(transports)
        self.set_latency(0)
        if spec.get("sound_only"):
            self.set_launch("( audiotestsrc is-live=true ! mulawenc ! rtppcmupay name=pay0 pt=0 )")
            return
        self.set_launch(
            "( appsrc name=src is-live=true format=time do-timestamp=false max-bytes=0 "
            f'caps="video/x-{self.codec},stream-format=byte-stream,alignment=au,framerate={spec["fps"]}/1,'
            f'width={spec["width"]},height={spec["height"]}" '
            f"! rtp{self.codec}pay name=pay0 pt=96 config-interval=-1 mtu=1400 {self.parameter_sets()} )"
        )
        self.connect("media-configure", self.configure)

    def parameter_sets(self):
        """What a camera says of its encoder beforehand, in the description of the stream (RFC 6184, 8.1)."""
        if not self.spec.get("described", True) or self.codec != "h264":
            return ""
        nals = (
            next(unit for unit in self.units if is_key(unit, self.codec))
            .replace(b"\0\0\0\1", b"\0\0\1")
            .split(b"\0\0\1")
        )
        sets = [base64.b64encode(nal).decode() for nal in nals if nal and nal[0] & 31 in (7, 8)]
        return f'sprop-parameter-sets="{",".join(sets)}"'

    def configure(self, _, media):
        source = media.get_element().get_child_by_name("src")
        gone = threading.Event()
        media.connect("unprepared", lambda _: gone.set())
        threading.Thread(target=self.play, args=(source, gone), daemon=True).start()

    def play(self, source, gone):
        fps, units, began = self.spec["fps"], self.units, self.began
        number = int((time.monotonic() - began) * fps) + 1
        if self.spec.get("from_key"):
            number = next(n for n in range(number, number + len(units)) if n % len(units) in self.keys)
        if self.spec.get("at_key"):
            number = next(n for n in range(number, -1, -1) if n % len(units) in self.keys)
            began = time.monotonic() - number / fps
        order = self.spec.get("order", range(len(units)))  # of showing; others are B-frames, and make all later
        late = max(i - place for i, place in enumerate(order))
        first = None
        while not gone.is_set():
            wait = began + number / fps - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            clock = source.get_clock()
            if clock is None:
                number += 1
                continue
            if first is None:
                first = number, clock.get_time() - source.get_base_time()
            unit = Gst.Buffer.new_wrapped(units[number % len(units)])
            shown = number - number % len(units) + order[number % len(units)] + late
            unit.dts = first[1] + (number - first[0]) * Gst.SECOND // fps
            unit.pts = first[1] + (shown - first[0]) * Gst.SECOND // fps
            unit.duration = Gst.SECOND // fps
            source.emit("push-buffer", unit)  # in vain while nobody plays it
            number += 1


def is_key(unit, codec):
    """Whether an access unit holds a slice from which a decoder can begin."""
    at = unit.find(b"\0\0\1")
    while at >= 0:
        if unit[at + 3] & 31 == 5 if codec == "h264" else 16 <= unit[at + 3] >> 1 <= 21:
            return True
        at = unit.find(b"\0\0\1", at + 3)
    return False


def secure(server, spec):
    """Digest authentication and TLS, where they are asked for."""
    if not spec.get("user") and not spec.get("cert"):
        return None
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if spec.get("user"):
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(spec["user"], spec["password"], token)
    else:
        auth.set_default_token(token)
    if spec.get("cert"):
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(spec["cert"]))
    server.set_auth(auth)
    return auth


def main():
    spec = json.loads(sys.stdin.readline())
    transports = GstRtsp.RTSPLowerTrans(0)
    for name in spec.get("transports", TRANSPORTS):
        transports |= TRANSPORTS[name]
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(spec.get("port", 0)))
    guarded = secure(server, spec)
    for path, mount in spec["mounts"].items():
        camera = Camera(mount, transports)
        if guarded:
            camera.add_role_from_structure(
                Gst.Structure.from_string("user,media.factory.access=true,media.factory.construct=true")[0]
            )
        server.get_mount_points().add_factory(path, camera)
    if not server.attach(None):
        sys.exit("cannot listen")
    sys.stdout.write(f"{server.get_bound_port()}\n")
    sys.stdout.flush()
    loop = GLib.MainLoop()
    GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, GLib.IO_HUP, lambda *_: loop.quit())
    loop.run()


main()
