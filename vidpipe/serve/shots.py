"""Pictures with their boxes, on the way from the process that holds the frames to the page: only while somebody looks.

Frames are where their streams are read, which on Ray is another process. That process connects to a socket of the page
(`place`), is told which streams are looked at, how often and how large, and sends a JPEG of each such frame together
with the boxes of the same frame. So boxes are never drawn over another picture than their own.
"""

from __future__ import annotations

import json
import logging
import math
import socket
import struct
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from vidpipe.cascade.audit import Audit
from vidpipe.core.answer import Answer
from vidpipe.core.frame import Frame, Image, Missing
from vidpipe.core.newest import Newest
from vidpipe.core.rounding import round_boxes
from vidpipe.results.frame_sink import FrameSinkWriter
from vidpipe.serve.fragments import Fragments, NoVideoError
from vidpipe.sources.base import StreamInfo
from vidpipe.sources.decoding.packets import Packets

log = logging.getLogger(__name__)

HEAD = struct.Struct(">II")  # lengths of what is told, as JSON, and of the JPEG behind it
AUDITED_WIDTH = 640  # of the pictures of audits that are kept
_MOST_WAITING = 400  # pictures of audits and pieces of video that wait to be sent
QUALITY = 75  # of JPEG: the page shows pictures small
_TAKEN_S = 5  # in which the page takes some of a picture, or the connection is given up
_AGAIN_S = 5.0  # after which another one is tried


class Wanted(NamedTuple):
    """How a stream is looked at.

    Attributes:
        interval_s: between two pictures while there is something in view.
        still_s: the same while there is nothing.
        width: wider pictures are scaled down to this many pixels.
    """

    interval_s: float
    still_s: float
    width: int


class _Shot(NamedTuple):
    """A picture that waits to be encoded, or some video, and what is told of it."""

    picture: Image | bytes
    told: Mapping[str, Any]


class Sender:
    """Sends what is looked at of all streams of this process. While the page is slow, the newest of each stream waits.

    Raises:
        OSError: nobody listens at that place; on another machine than the page's that is always so.
    """

    def __init__(self, place: str) -> None:
        self.wanted: dict[str, Wanted] = {}
        self.videos: dict[str, frozenset[int]] = {}  # who is shown video, by stream
        self.used_by = 0  # streams
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(place)
        except OSError:
            self._socket.close()
            raise
        # Only for what is sent: what is looked at may stay the same for as long as it likes.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _TAKEN_S, 0))
        self._sending = threading.Lock()
        self._waiting: Newest[str | int, _Shot] = Newest()
        self._count = count()
        self.is_closed = False  # the connection has been given up, or has ended
        for work, name in ((self._listen, "vidpipe-looked-at"), (self._send_all, "vidpipe-shots")):
            threading.Thread(target=work, name=name, daemon=True).start()

    def offer(self, shot: _Shot) -> None:
        """Have a picture sent, unless a newer one of that stream comes before."""
        self._waiting.put(shot.told["stream"], shot)

    def keep(self, shot: _Shot) -> bool:
        """Have something sent that nothing takes the place of; False, and it is not, where the page is too slow."""
        if len(self._waiting) >= _MOST_WAITING:
            return False
        self._waiting.put(next(self._count), shot)
        return True

    def tell(self, told: Mapping[str, Any], jpeg: bytes = b"") -> None:
        """Send something of a stream; nothing where the page has gone."""
        text = json.dumps(told).encode()
        with self._sending:
            try:
                self._socket.sendall(HEAD.pack(len(text), len(jpeg)) + text + jpeg)
            except OSError:  # half of it may have been taken
                self.close()

    def close(self) -> None:
        """End both threads and the connection."""
        self.is_closed = True
        self.wanted, self.videos = {}, {}
        self._waiting.close()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes who reads
        self._socket.close()

    def _listen(self) -> None:
        """Take in what is looked at, a JSON line for each change; the end of it: nothing is any more."""
        with suppress(OSError, ValueError), self._socket.makefile("rb") as lines:
            for line in lines:
                told = json.loads(line)
                if "videos" in told:
                    self.videos = {**self.videos, told["stream"]: frozenset(told["videos"])}
                    continue
                wanted = {**self.wanted}
                if told["wanted"] is None:
                    wanted.pop(told["stream"], None)
                else:
                    wanted[told["stream"]] = Wanted(*told["wanted"])
                self.wanted = wanted
        self.close()

    def _send_all(self) -> None:
        while (shot := self._waiting.take()) is not None:
            try:
                self.tell(shot.told, shot.picture if isinstance(shot.picture, bytes) else _jpeg(shot.picture))
            except Exception as error:  # this thread sends the pictures of other streams, too
                log.debug("a picture of stream %s could not be shown", shot.told["stream"], exc_info=error)


def _jpeg(picture: Image) -> bytes:
    import cv2

    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return jpeg.tobytes()


_senders: dict[str, Sender] = {}
_opening = threading.Lock()


@dataclass(frozen=True)
class ShotFrameSink:
    """Shows the frames of streams to the page: all streams of a process share a connection.

    Args:
        place: path of the page's socket.
    """

    place: str

    def __str__(self) -> str:
        return "the page"

    def open(self, info: StreamInfo, *, resumed: bool = False) -> FrameSinkWriter:
        """Begin to show a stream; one that is read on another machine than the page's is not shown."""
        sender = _sender(self.place, info.name)
        return _NotShown() if sender is None else _Shown(sender, self.place, info.name)


def _sender(place: str, stream: str) -> Sender | None:
    """The connection of this process, for one more stream; None where there can be none."""
    with _opening:
        sender = _senders.get(place)
        if sender is None or sender.is_closed:
            try:
                sender = _senders[place] = Sender(place)
            except OSError:
                return None
        sender.used_by += 1
    sender.tell({"stream": stream, "opened": True})
    return sender


class _NotShown:
    """The end of a stream that the page does not reach."""

    def write(self, item: Frame | Missing, answer: Answer, ledger: Mapping[str, int]) -> None: ...

    def close(self) -> None: ...


class _Shown:
    """One stream's end: while nobody looks at it a frame costs a look into a dictionary."""

    def __init__(self, sender: Sender, place: str, stream: str) -> None:
        self._sender = sender
        self._place = place
        self._stream = stream
        self._shown_at = -math.inf
        self._again_at = -math.inf
        self._packets: Packets | None = None
        self._fragments: dict[int, Fragments] = {}  # by who is shown video

    def take_packets(self, packets: Packets | None) -> None:
        """See `TakesPackets`."""
        self._packets = packets

    def write(self, item: Frame | Missing, answer: Answer, ledger: Mapping[str, int]) -> None:
        """Have it sent, where somebody looks and it is time; see `FrameSinkWriter`."""
        if self._sender.is_closed:
            self._connect_again()
        if (viewers := self._sender.videos.get(self._stream)) or self._fragments:
            self._show_video(viewers or frozenset(), item, answer)
        wanted = self._sender.wanted.get(self._stream)
        if wanted is None or isinstance(item, Missing):
            return
        now = time.monotonic()
        interval_s = wanted.interval_s if len(answer.detections) else wanted.still_s
        if now - self._shown_at < 0.9 * interval_s:  # a stream of just that rate is shown whole
            return
        self._shown_at = now
        told = {"stream": self._stream, "seq": item.seq, "pts": round(item.pts, 3), "at": item.captured_at}
        told |= {"size": [item.width, item.height], **answer_told(answer)}
        self._sender.offer(_Shot(_scaled(item.bgr(), wanted.width), told))

    def _connect_again(self) -> None:
        """A page that was slow for a while, as on a machine that had too much to do, is shown pictures again."""
        now = time.monotonic()
        if now < self._again_at:
            return
        self._again_at = now + _AGAIN_S
        if (sender := _sender(self._place, self._stream)) is not None:
            self._sender, self._fragments = sender, {}

    def _show_video(self, viewers: frozenset[int], item: Frame | Missing, answer: Answer) -> None:
        """Send each of them what the camera has sent since, with the answer to this picture."""
        self._fragments = {id: self._fragments.get(id) or Fragments(self._packets) for id in viewers}
        told = {"stream": self._stream, "seq": item.seq, "pts": item.pts, **answer_told(answer)}
        if isinstance(item, Frame):
            told["size"] = [item.width, item.height]
        for id, fragments in self._fragments.items():
            try:
                pieces = fragments.take()
            except (NoVideoError, OSError, ValueError) as error:  # FFmpeg's are of these kinds
                self._put(id, fragments, {"none": str(error)}, b"")
                continue
            for piece in pieces:
                self._put(id, fragments, {"begins": piece.begins} if piece.begins else {}, piece.mp4)
            self._put(id, fragments, told, b"")

    def _put(self, id: int, fragments: Fragments, told: Mapping[str, Any], mp4: bytes) -> None:
        if not self._sender.keep(_Shot(mp4, {"stream": self._stream, "video": id, **told})):
            fragments.begin_anew()

    def audited(self, frame: Frame, audit: Audit, checked: Answer) -> None:
        """Have the page keep a frame on which an audit found an answer wrong; see `SeesAudits`."""
        told: dict[str, Any] = {"stream": self._stream, "audited": audit.stage, "seq": frame.seq}
        told |= {"size": [frame.width, frame.height], "boxes": answer_told(checked)["boxes"]}
        self._sender.keep(_Shot(_scaled(frame.bgr(), AUDITED_WIDTH), told))

    def close(self) -> None:
        """Show it no more; with its last stream the connection ends."""
        with _opening:
            self._sender.tell({"stream": self._stream, "opened": False})
            self._sender.used_by -= 1
            if not self._sender.used_by and _senders.get(self._place) is self._sender:
                del _senders[self._place]
                self._sender.close()


def answer_told(answer: Answer) -> dict[str, Any]:
    """An answer as the page gets it: boxes are [x0, y0, x1, y1, class, score, track] in pixels of the source frame."""
    boxes = answer.detections
    names = boxes.data.get("class_name")
    scores, tracks = boxes.confidence, boxes.tracker_id
    corners = round_boxes(boxes.xyxy).tolist()
    return {
        "how": answer.how.value,
        "by": answer.by,
        "as_of": answer.as_of,
        "reason": answer.reason,
        "boxes": [
            [
                *corners[i],
                "" if names is None else str(names[i]),
                None if scores is None else round(float(scores[i]), 2),
                None if tracks is None or tracks[i] < 0 else int(tracks[i]),
            ]
            for i in range(len(boxes))
        ],
    }


def _scaled(picture: Image, width: int) -> Image:
    import cv2

    if picture.shape[1] <= width:
        return picture.copy()
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
