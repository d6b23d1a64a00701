"""What happens over one connection to a camera: packets are timed, decoded or left out, and handed on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from vidpipe.core.clock import Clock
from vidpipe.core.frame import Frame, Missing
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.cameras.anomaly import FLAT_S, FROZEN_S, AnomalyDetector
from vidpipe.sources.cameras.connection import OPEN_S, READ_S, Connection
from vidpipe.sources.cameras.errors import CAP_S, FIRST_S, CameraError, Kind
from vidpipe.sources.cameras.frame_stamper import FrameStamper
from vidpipe.sources.cameras.status import Status
from vidpipe.sources.clock import CaptureClock
from vidpipe.sources.decoding import hardware
from vidpipe.sources.decoding.access_units import AccessUnit
from vidpipe.sources.decoding.container import ASSUMED_FPS, VideoPacket, believable_fps, stamp_of
from vidpipe.sources.decoding.decode_policy import STILL_S, DecodePolicy
from vidpipe.sources.decoding.packets import KeptConnection, PacketRing
from vidpipe.sources.decoding.pictures import NOT_DECODED, Decoded, Lack, NoPicture, PictureDecoder, Taken
from vidpipe.sources.health import State
from vidpipe.sources.queue import NO_TIME, NewestQueue

log = logging.getLogger(__name__)

_MOST_HELD_BYTES = 16_000_000  # of packets kept in case that a still stream wakes
_MANY_PIXELS = 3_000_000  # of a picture that two threads decode sooner
_WAITED_S = 0.002  # for a packet: who waits keeps up
_MOST_PATIENCE = 8
_NO_KEY = NoPicture(Lack.NO_KEY, "waiting for a key frame")
_BEHIND = NoPicture(Lack.BEHIND, NO_TIME)
_SPOILT = NoPicture(Lack.DAMAGED, "damaged: builds on a picture that was cut")


@dataclass(frozen=True, slots=True)
class Timings:
    """How long a camera may take over what, seconds. Tests are in more of a hurry.

    Attributes:
        open_s, read_s: until connected, and until the next packet.
        stall_s: without a packet, until the stream counts as stalled.
        picture_s: with packets, but without a picture.
        frozen_s, flat_s: of a picture that does not change at all, or shows one grey, until that is told.
        anomaly_s: for which it has been told, until another connection is tried, once.
        good_s: of pictures, after which errors are forgotten.
        first_s, cap_s: of the wait between tries.
        still_s: without motion, until decoding is saved.
        behind_s: the age of packets beyond which they are left undecoded, so as to catch up.
        late_s: the age beyond which the connection is given up.
    """

    open_s: float = OPEN_S
    read_s: float = READ_S
    stall_s: float = 2.0
    picture_s: float = 15.0
    frozen_s: float = FROZEN_S
    flat_s: float = FLAT_S
    anomaly_s: float = 240.0
    good_s: float = 10.0
    first_s: float = FIRST_S
    cap_s: float = CAP_S
    still_s: float = STILL_S
    behind_s: float = 1.0
    late_s: float = 15.0


@dataclass(slots=True)
class CameraState:
    """What goes on from one connection to the next.

    Attributes:
        name: of the stream.
        anomaly, anomaly_since: what is wrong with pictures that come, "" for nothing, and since when.
        renewed: whether the connection was made anew for that.
        ring: keeps what comes, where somebody wants it.
        sender_lag_s: by how much pictures are dated later than by the sender's clock; None where that tells none.
        patience: how many times `picture_s` a connection may go without a picture: some key frames are far apart.
    """

    name: str
    spec: StreamSpec
    timings: Timings
    clock: Clock
    stamper: FrameStamper
    queue: NewestQueue
    status: Status
    policy: DecodePolicy
    anomalies: AnomalyDetector
    stop: threading.Event
    ring: PacketRing | None = None
    sender_lag_s: float | None = None
    anomaly: str = ""
    anomaly_since: float = 0.0
    renewed: bool = False
    patience: int = 1


class Session:
    """One connection, from the first packet to the last.

    Args:
        gone_well: called once pictures have been good for a while.
    """

    def __init__(self, camera: CameraState, connection: Connection, gone_well: Callable[[], None]) -> None:
        self._camera = camera
        self._connection = connection
        self._gone_well = gone_well
        stream = connection.stream
        period_s = 1 / (believable_fps(stream) or ASSUMED_FPS)
        # FFmpeg's parser gives a picture of an RTP stream when the next one begins.
        known_s = period_s if connection.transport and not connection.in_pieces else 0.0
        self._clock = CaptureClock(stream.time_base or Fraction(1, 90_000), period_s, camera.clock, known_s=known_s)
        context = stream.codec_context
        threads = 2 if context.width * context.height > _MANY_PIXELS else 1
        self._decode = PictureDecoder(
            context,
            threads=threads,
            decoding=camera.spec.decoding,
            vector_tick=stream.time_base if camera.stamper.knobs.want_motion else None,
        )
        self._held: list[tuple[VideoPacket, Taken]] = []  # not decoded, and others may build on them
        self._held_bytes = 0
        self._keyed = False  # whether the decoder has all that the next packet builds on
        self._no_key = _NO_KEY
        self._key: tuple[VideoPacket, Taken] | None = None  # the last one
        self._clean_since: float | None = None
        self._picture_at = camera.clock.monotonic()
        self._late_s = 0.0
        self._busy_since = self._picture_at
        self._kept = KeptConnection(camera.ring, stream) if camera.ring is not None else None
        camera.policy.begin()
        software = f"software, {threads} thread{'s' * (threads > 1)}"
        decoder = connection.hardware or software
        camera.status.connected(codec=context.name, decoder=decoder)
        log.info("camera %s: %s, decoded by %s", camera.name, context.name, decoder)

    def run(self) -> None:
        """Read until the connection ends, or brings nothing of use.

        Raises:
            CameraError: why it ended; not raised where the source was closed.
        """
        camera, clock = self._camera, self._camera.clock
        camera.status.enter(State.WARMING, _NO_KEY.reason)
        done = clock.monotonic()
        for unit, now in self._connection.units():
            packet = unit.packet
            if camera.stop.is_set():
                return
            if now - done > _WAITED_S:
                self._busy_since = now
            camera.status.came(packet.size, now)
            if unit.spoilt:
                self._keyed, self._no_key = False, _SPOILT
            for decoded in self._fed(packet, self._taken(unit)):
                self._check_hardware(decoded)
                self._hand_on(decoded, now)
            self._mind(now)
            done = clock.monotonic()

    def _taken(self, unit: AccessUnit) -> Taken:
        packet = unit.packet
        stamp = stamp_of(packet)
        moment = self._clock.at(stamp, unit.at, unit.sender_utc)
        if moment.jumped:
            self._camera.stamper.break_off()
        if unit.sender_utc is not None:
            self._camera.sender_lag_s = moment.at - unit.sender_utc
        self._late_s = unit.at - moment.at
        kept = self._kept.keep(packet) if self._kept is not None else None
        return Taken(stamp, moment, packet.size, packet.is_keyframe, kept=kept)

    def _fed(self, packet: VideoPacket, taken: Taken) -> Iterator[Decoded]:
        """Put a packet into the decoder, or leave it out with the reason."""
        if taken.key:
            self._forget_held()
            self._key = packet, taken
        left_out = self._left_out(taken)
        if left_out is not None:
            if not self._decode.is_empty:
                yield from self._decode.flush()
            self._hold(packet, taken, left_out)
            yield Decoded(taken, left_out)
            return
        for held, told in self._held:  # what the picture builds on
            yield from self._decode(held, told)
        self._forget_held()
        yield from self._decode(packet, taken)

    def _left_out(self, taken: Taken) -> NoPicture | None:
        """Why a packet is not decoded; None where it is."""
        policy = self._camera.policy
        wanted = policy.wants(taken.size, taken.at, key=taken.key)
        if taken.key:
            self._keyed, self._no_key = True, _NO_KEY
            return None
        if not self._keyed:
            return self._no_key
        if self._is_behind():
            self._keyed, self._no_key = False, _BEHIND
            return _BEHIND
        if self._camera.spec.skip_frame == "nokey":
            return NOT_DECODED
        if not self._decode.is_empty:  # B-frames: to rest, it would have to forget what the next packets build on
            policy.wake()
            return None
        return None if wanted or self._held_bytes > _MOST_HELD_BYTES else NOT_DECODED

    def _is_behind(self) -> bool:
        """Whether packets are old, and it is decoding that holds them up; a network that hesitated catches up alone."""
        behind_s = self._camera.timings.behind_s
        return self._late_s > behind_s and self._camera.clock.monotonic() - self._busy_since > behind_s

    def _hold(self, packet: VideoPacket, taken: Taken, left_out: NoPicture) -> None:
        if left_out.lack is Lack.NOT_WANTED and self._camera.spec.skip_frame != "nokey":
            self._held.append((packet, taken._replace(told=True)))
            self._held_bytes += packet.size

    def _forget_held(self) -> None:
        self._held.clear()
        self._held_bytes = 0

    def _hand_on(self, decoded: Decoded, now: float) -> None:
        taken, picture, vectors = decoded
        if taken.told:
            return
        camera = self._camera
        if self._clean_since is None and not isinstance(picture, NoPicture):
            if not picture.key_frame:
                picture = _NO_KEY
            else:
                self._begin(now)
        if isinstance(picture, NoPicture):
            missing = camera.stamper.missing(taken.at, picture.lack.how, picture.reason)
            self._tell_ring(taken, missing)
            camera.queue.put(missing)
            return
        self._picture_at = now
        frame = camera.stamper.frame(picture, taken.at, vectors)
        self._tell_ring(taken, frame)
        gap_s = camera.status.decoded(frame.width, frame.height)
        if gap_s is not None:
            log.warning("camera %s is back after %.1f s", camera.name, gap_s)
        preview = frame.preview()
        camera.policy.saw(preview, taken.at, taken.size, key=taken.key)
        camera.policy.settle(taken.at)
        anomaly = camera.anomalies.see(preview, now)
        camera.queue.put(frame)
        self._mind_anomaly(anomaly, now)

    def _tell_ring(self, taken: Taken, item: Frame | Missing) -> None:
        """Say which frame a packet that is kept has become."""
        if taken.kept is not None and self._camera.ring is not None:
            self._camera.ring.tell(taken.kept, item.seq, item.pts)

    def _check_hardware(self, decoded: Decoded) -> None:
        """Hold the first picture that hardware has decoded against software's."""
        kind = self._connection.hardware
        if kind is None or self._clean_since is not None or isinstance(decoded.picture, NoPicture) or self._key is None:
            return
        packet, taken = self._key
        # With B-frames its picture comes out only when later packets have gone in.
        if decoded.taken is taken and not hardware.is_right(
            decoded.picture, packet, self._connection.stream.codec_context
        ):
            raise CameraError(Kind.PICTURE, f"{kind} decodes it wrongly")

    def _begin(self, now: float) -> None:
        """The first whole picture of this connection."""
        self._clean_since = now
        self._camera.stamper.break_off()

    def _mind(self, now: float) -> None:
        """Whether the connection is of use; packets alone are not."""
        camera, timings = self._camera, self._camera.timings
        if self._keyed and self._late_s > timings.late_s:
            raise CameraError(Kind.LOST, f"pictures come {self._late_s:.0f} s late: the way to the camera is too slow")
        if now - self._picture_at > timings.picture_s * camera.patience and not camera.policy.idle:
            camera.patience = min(2 * camera.patience, _MOST_PATIENCE)
            raise CameraError(Kind.PICTURE, f"packets come, but no whole picture for {now - self._picture_at:.0f} s")
        if self._clean_since is not None and now - self._clean_since > timings.good_s:
            self._gone_well()

    def _mind_anomaly(self, anomaly: str, now: float) -> None:
        """Tell of a frozen or flat picture. If it lasts, try one new connection; a scene may really be so still."""
        camera = self._camera
        if anomaly != camera.anomaly:
            camera.anomaly, camera.anomaly_since, camera.renewed = anomaly, now, False
        camera.status.enter(State.LIVE, anomaly)
        if anomaly and not camera.renewed and now - camera.anomaly_since >= camera.timings.anomaly_s:
            camera.renewed = True
            raise CameraError(Kind.PICTURE, anomaly)
