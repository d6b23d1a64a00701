"""Motion vectors that a decoder leaves beside its pictures, as velocities.

FFmpeg exports them for H.264 and the codecs that came before it (libavutil/motion_vector.h, `flags2=+export_mvs`). A
vector tells from where a block was copied, but not from which picture: of references in the past and in the future only
the direction is known. Here that is taken for the nearest reference picture that was decoded before, as encoders nearly
always choose that one. So a vector becomes a velocity, whatever lies between.
"""

from __future__ import annotations

from collections import OrderedDict
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np
from av.codec.context import Flags2
from av.sidedata.motionvectors import MotionVectors
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from numpy.typing import NDArray

from vidpipe.core.motion import CELL, Motion
from vidpipe.sources.decoding.container import VideoPacket
from vidpipe.sources.decoding.normal import Turn
from vidpipe.sources.decoding.references import References

CODECS = frozenset(
    {"h264", "mpeg4", "mpeg1video", "mpeg2video"}
    | {"msmpeg4v1", "msmpeg4v2", "msmpeg4", "msmpeg4v3", "h263", "flv", "wmv1", "wmv2"}
)
"""FFmpeg's names of the codecs whose vectors it exports."""

_CELL_BITS = CELL.bit_length() - 1
_KEPT = 24  # packets that are remembered: more than any order of B-frames needs
_KEYS = 3  # pictures in a row that may be coded all anew, as at a cut


def can_export(context: VideoCodecContext) -> bool:
    """Whether this decoder can tell vectors; hardware never does."""
    return context.name in CODECS and not context.is_hwaccel


class _Sent(NamedTuple):
    """A packet that went into the decoder: the number of it, and whether others may build on its picture."""

    number: int
    reference: bool


class Vectors(NamedTuple):
    """The vectors of one picture, not looked at before somebody asks.

    Attributes:
        exported: FFmpeg's, held by the decoder's picture; None: it has none.
        width, height: of that picture in pixels, as it was coded.
        past_s, future_s: media seconds to the nearest reference picture on either side; None: there is none, or it is
            not known how far it is.
    """

    exported: MotionVectors | None
    width: int
    height: int
    past_s: float | None
    future_s: float | None

    def motion(self, turn: Turn | None, hidden: NDArray[np.bool_] | None) -> Motion:
        """The field of the picture as stages see it.

        Args:
            turn: how it was turned upright.
            hidden: bool [h, w], of the upright picture: there is nothing to be known of these parts.
        """
        size = self.width, self.height
        if self.exported is None or (self.past_s is None and self.future_s is None):
            motion = Motion.unknown(*size)
        else:
            motion = _field(self.exported.to_ndarray(), self.past_s, self.future_s, *size)
        if turn is not None:
            motion = _turned(motion, turn, *size)
        if hidden is not None:
            motion = motion._replace(known=motion.known & ~_of_cells(hidden, motion))
        return motion


class VectorExport:
    """Has a decoder export its vectors, and follows which pictures they may refer to.

    Args:
        context: not yet opened: no packet has gone in.
        tick: of its stamps, seconds.
        by_dts: pictures have no presentation stamp that can be believed (AVI).
    """

    def __init__(self, context: VideoCodecContext, tick: Fraction, *, by_dts: bool = False) -> None:
        context.flags2 |= Flags2.export_mvs
        self._codec = context.name
        self._tick = float(tick)
        self._by_dts = by_dts
        self._reference_packets = References(context)
        self._sent: OrderedDict[int, _Sent] = OrderedDict()
        self._count = 0
        self._anchor: int | None = None  # stamp of the newest picture out that is no B-frame
        self._without = 0  # pictures in a row that had no vectors

    def sent(self, packet: VideoPacket) -> None:
        """A packet goes into the decoder."""
        if self._by_dts or packet.pts is None:
            return
        self._count += 1
        self._sent[packet.pts] = _Sent(self._count, packet in self._reference_packets)
        self._sent.move_to_end(packet.pts)
        if len(self._sent) > _KEPT:
            self._sent.popitem(last=False)

    def came(self, frame: av.VideoFrame) -> Vectors | None:
        """The next picture has come out; None where its vectors mean nothing, or the codec has none to give.

        A few pictures without vectors are key frames; of a stream of nothing else nobody will see motion by them.
        """
        stamp = frame.dts if self._by_dts else frame.pts
        past, future = self._references(frame, stamp)
        # FFmpeg keeps no vectors of the B-frames of MPEG-4, and exports zeros.
        blind = self._codec == "mpeg4" and frame.pict_type == PictureType.B
        exported = None if blind else _exported(frame)
        self._without = 0 if exported is not None else self._without + (not blind)
        if self._without > _KEYS or frame.interlaced_frame:
            return None
        past_s = None if past is None or stamp is None else (stamp - past) * self._tick
        future_s = None if future is None or stamp is None else (future - stamp) * self._tick
        return Vectors(exported, frame.width, frame.height, past_s, future_s)

    def _references(self, frame: av.VideoFrame, stamp: int | None) -> tuple[int | None, int | None]:
        """Stamps of the nearest reference pictures before and behind one."""
        anchor = self._anchor
        if frame.pict_type != PictureType.B:
            self._anchor = stamp
        if stamp is None:
            return None, None
        own = self._sent.get(stamp)
        if own is None:  # of B-frames: those before the anchor that has not come out; how far that is nobody knows
            return (anchor if anchor is not None and anchor < stamp else None), None
        known = [at for at, sent in self._sent.items() if sent.reference and sent.number < own.number]
        past = max((at for at in known if at < stamp), default=None)
        return past, min((at for at in known if at > stamp), default=None)


def _exported(frame: av.VideoFrame) -> MotionVectors | None:
    try:
        exported: MotionVectors | None = frame.side_data.get("MOTION_VECTORS")
    except ValueError:  # beside them is a kind of side data that PyAV does not know
        return None
    return exported


def _field(vectors: NDArray[np.void], past_s: float | None, future_s: float | None, width: int, height: int) -> Motion:
    """Vectors as velocities: of a cell with several, in parts or of both directions, their mean."""
    back = vectors["source"] < 0
    if past_s is None or future_s is None:
        readable = back if future_s is None else ~back
        if not readable.all():
            vectors = vectors[readable]
        rate: NDArray[np.float64] | float = -1 / past_s if past_s is not None else 1 / (future_s or 1.0)
    else:
        rate = np.where(back, -1 / past_s, 1 / future_s)
    column, row = vectors["dst_x"] >> _CELL_BITS, vectors["dst_y"] >> _CELL_BITS
    # What was coded may be larger than what is shown.
    columns = max(-(-width // CELL), int(column.max(initial=0)) + 1)
    rows = max(-(-height // CELL), int(row.max(initial=0)) + 1)
    place = row.astype(np.intp) * columns + column
    count = np.bincount(place, minlength=rows * columns)
    known = count > 0
    scaled = rate / (int(vectors["motion_scale"][0]) if len(vectors) else 1)
    planes = np.empty((2, rows * columns), np.float32)
    for plane, name in zip(planes, ("motion_x", "motion_y"), strict=True):
        plane[:] = np.bincount(place, vectors[name] * scaled, rows * columns)
    if len(vectors) > np.count_nonzero(known):
        planes /= np.maximum(count, 1).astype(np.float32)
    velocity = planes.reshape(2, rows, columns).transpose(1, 2, 0)
    return Motion(velocity, known.reshape(rows, columns), (0, 0), past_s or 0.0)


def _turned(motion: Motion, turn: Turn, width: int, height: int) -> Motion:
    """The field of a picture of that size, once it is turned upright."""
    velocity, known = motion.velocity, motion.known
    if turn.exchange:
        velocity, known = velocity.transpose(1, 0, 2)[..., ::-1], known.T
        width, height = height, width
    rows, columns = known.shape
    across, down = -1 if turn.mirror_columns else 1, -1 if turn.mirror_rows else 1
    # Cells begin at the side that was left or upper before.
    origin = width - columns * CELL if across < 0 else 0, height - rows * CELL if down < 0 else 0
    velocity = velocity[::down, ::across] * np.array([across, down], np.float32)
    return Motion(velocity, known[::down, ::across], origin, motion.reach_s)


def _of_cells(hidden: NDArray[np.bool_], motion: Motion) -> NDArray[np.bool_]:
    """Whether the middle of each cell is hidden; of one that reaches over the edge, what is nearest to it."""
    rows, columns = motion.known.shape
    x = np.clip(motion.origin[0] + CELL * np.arange(columns) + CELL // 2, 0, hidden.shape[1] - 1)
    y = np.clip(motion.origin[1] + CELL * np.arange(rows) + CELL // 2, 0, hidden.shape[0] - 1)
    cells: NDArray[np.bool_] = hidden[y[:, None], x]
    return cells
