"""Which packets of a stream are decoded: all, or key frames only while its picture has been still for some time.

A still stream costs next to nothing if only its key frames are decoded. What happens between two of them would be seen
late, by up to a group of pictures; that is done only where that time is short, or where the sizes of packets have been
seen to tell of motion on this very stream: an encoder spends few bytes on a still picture and many on a moving one, but
with some (constant bit rate, noise) sizes say nothing. That is learnt while everything is decoded.

Of a camera each packet is decided on as it comes (`wants`). Of a recording the packets up to the next key frame, and
that key frame's picture, are known before anything is left out (`may_rest`): nothing is seen late.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.frame import Image

STILL_S = 5.0  # without motion, until a stream counts as still
_MOVED = 30.0  # grey levels squared in the worst block: as much as stage `difference` takes for a change
_BLOCKS = 10
_SWAY = 12.0  # times the median error of a block: the largest of many is less, where only the camera sways
_KEYS, _FEWEST_KEYS = 16, 5  # pairs of key frames that the median is of

_SLACK = 1.05  # stamps are rounded, and a group as long as the bound is within it

_ONSETS = 5  # beginnings of motion that must have been seen before packets are believed
_REMEMBERED = 20
_ANNOUNCED_S = 0.5  # within which a packet must have told of a motion
_SIZES = 300
_MARGIN = 1.3  # over the largest packet of a still picture: more is motion


class Sway:
    """Learns how much each part of a picture differs from one key frame to the next, where nothing happens.

    Cameras sway on their poles and light flickers: an edge in the picture moves by a part of a pixel and back all the
    time. The median over many key frames tells; what passes by is in fewer than half of them.
    """

    def __init__(self) -> None:
        self._key: Image | None = None
        self._key_at = -math.inf
        self._errors: deque[NDArray[np.float32]] = deque(maxlen=_KEYS)
        self.limits: NDArray[np.float32] | None = None

    def begin(self) -> None:
        """Times begin anew."""
        self._key_at = -math.inf

    def see(self, key: Image, at: float) -> None:
        """The preview of a key frame, which may have been seen before; `at` in seconds."""
        import cv2

        if at <= self._key_at:
            return
        before, self._key, self._key_at = self._key, key, at
        if before is None or before.shape != key.shape:
            self._errors.clear()
            self.limits = None
            return
        self._errors.append(block_errors(key, before))
        if len(self._errors) >= _FEWEST_KEYS:
            usual = np.median(np.stack(self._errors), axis=0).astype(np.float32)
            around = cv2.dilate(usual, np.ones((3, 3), np.uint8))  # an edge sways into the next block
            self.limits = np.maximum(_MOVED, _SWAY * around).astype(np.float32)


class Stillness:
    """Tells how long a picture has stood still, against the picture with which that began."""

    def __init__(self) -> None:
        self._reference: Image | None = None
        self._since = math.inf

    def see(self, preview: Image, at: float, limits: NDArray[np.float32] | None = None) -> bool:
        """Whether this picture has moved against the reference; then it is the new one.

        Args:
            at: seconds.
            limits: mean squared error of each block that is no motion; None: the usual one.
        """
        if self._reference is None or self._reference.shape != preview.shape:
            self._reference, self._since = preview, at
            return True
        if worst_block(preview, self._reference, limits) <= _MOVED:
            return False
        self._reference, self._since = preview, at
        return True

    def seconds(self, at: float) -> float:
        """For how long nothing has moved."""
        return at - self._since


class PacketSizes:
    """Learns whether packets tell when motion begins, from pictures that are decoded all the same."""

    def __init__(self) -> None:
        self._still: deque[int] = deque(maxlen=_SIZES)
        self._pending: deque[tuple[float, int]] = deque()  # of a still picture, unless they announce motion
        self._recent: deque[tuple[float, int]] = deque(maxlen=64)
        self._onset_at: float | None = None
        self._announced: deque[bool] = deque(maxlen=_REMEMBERED)

    @property
    def tell(self) -> bool:
        """Whether every beginning of motion of late was announced by a large packet, and there were some."""
        return len(self._announced) >= _ONSETS and all(self._announced)

    def is_motion(self, size: int) -> bool:
        """Whether a packet between key frames is larger than those of a still picture are."""
        return size > self._limit

    def learn(self, size: int, at: float, *, moved: bool, still_s: float) -> None:
        """One decoded picture between key frames.

        Args:
            still_s: for how long nothing had moved before it.
        """
        self._recent.append((at, size))
        if moved and still_s > 1.0 and len(self._still) >= 20:
            self._onset_at = at
        if moved:
            self._pending.clear()
        elif still_s > 1.0:
            self._pending.append((at, size))
        while self._pending and at - self._pending[0][0] >= _ANNOUNCED_S:
            self._still.append(self._pending.popleft()[1])
        if self._onset_at is not None and at - self._onset_at >= _ANNOUNCED_S:
            self._judge(self._onset_at)
            self._onset_at = None

    def missed(self) -> None:
        """Motion was found in a key frame of which no packet had told."""
        self._announced.append(False)

    @property
    def _limit(self) -> float:
        return _MARGIN * max(self._still, default=math.inf)

    def _judge(self, onset: float) -> None:
        near = [size for at, size in self._recent if abs(at - onset) <= _ANNOUNCED_S]
        self._announced.append(any(map(self.is_motion, near)))


class DecodePolicy:
    """Decides, in the order of decoding, which packets are to be decoded.

    Args:
        max_blind_s: the longest time for which a still stream may go unseen where packets tell nothing; 0: never.
        sways: whether what each part of the picture always does counts as still. Not of a camera: what it misses for
            that is gone.

    Attributes:
        sizes: what has been learnt of packets.
        idle: the picture has been still for so long that decoding may be saved.
        group_s: from key frame to key frame, the longest of late; infinite before there are two.
    """

    def __init__(self, max_blind_s: float, *, still_s: float = STILL_S, sways: bool = False) -> None:
        self._longest_s = _SLACK * max_blind_s
        self._sway = Sway() if sways else None
        self._still_s = still_s
        self.sizes = PacketSizes()
        self.begin()

    def begin(self) -> None:
        """A new connection: what was learnt of sizes holds on, the rest begins anew."""
        self._stillness = Stillness()
        if self._sway is not None:
            self._sway.begin()
        self._key_at: float | None = None
        self.group_s = math.inf
        self.idle = False

    def wants(self, size: int, at: float, *, key: bool) -> bool:
        """Whether to decode a packet that was taken at `at`; a first True after False asks for those left out, too."""
        if key:
            if self._key_at is not None:
                # The longest of late: an encoder may stretch its groups while nothing moves.
                self.group_s = max(at - self._key_at, 0.9 * self.group_s if self.group_s < math.inf else 0.0)
            self._key_at = at
            return True
        if self.idle and (self._is_blind_too_long(at) or (self.sizes.tell and self.sizes.is_motion(size))):
            self.wake()
        return not self.idle

    def may_rest(self, sizes: Iterable[int], seconds: float) -> bool:
        """Whether packets behind a key frame can be left out: nothing of late has moved, and nothing tells of motion.

        Args:
            sizes: of these packets, bytes.
            seconds: from that key frame to the next.
        """
        if not self.idle or any(map(self.sizes.is_motion, sizes)):
            return False
        return self.sizes.tell or seconds <= self._longest_s

    def saw(self, preview: Image, at: float, size: int, *, key: bool) -> None:
        """A decoded picture, of a packet that `wants` was asked of."""
        still_s = self._stillness.seconds(at)
        if self._sway is not None and key:
            self._sway.see(preview, at)
        moved = self._stillness.see(preview, at, None if self._sway is None else self._sway.limits)
        if moved and self.idle:
            self.sizes.missed()
            self.wake()
        if not self.idle and not key:
            self.sizes.learn(size, at, moved=moved, still_s=still_s)

    def settle(self, at: float) -> None:
        """Rest from now on, if the picture has been still for long enough at the time of the last one seen."""
        if self._stillness.seconds(at) >= self._still_s:
            self.idle = self._longest_s > 0 and (self.sizes.tell or self.group_s <= self._longest_s)

    def _is_blind_too_long(self, at: float) -> bool:
        """Where packets tell nothing, and the next key frame is late."""
        return not self.sizes.tell and self._key_at is not None and at - self._key_at > self._longest_s

    def doubt(self) -> None:
        """Decode for now: whether the picture stands still all the same will be seen."""
        self.idle = False

    def wake(self) -> None:
        """Decode everything, until the picture has stood still anew."""
        self.idle = False
        self._stillness = Stillness()


def worst_block(one: Image, other: Image, limits: NDArray[np.float32] | None = None) -> float:
    """The largest mean squared error of two previews in a grid of blocks, or a bound on it that says enough.

    Args:
        limits: up to which an error of a block counts for nothing; None: every error counts.
    """
    import cv2

    height, width = one.shape
    bound = float(cv2.norm(one, other, cv2.NORM_L2SQR)) / ((height // _BLOCKS) * (width // _BLOCKS) or 1)
    if bound <= _MOVED:  # even if all of it were in one block
        return bound
    errors = block_errors(one, other)
    return float((errors if limits is None else errors[errors > limits]).max(initial=0.0))


def block_errors(one: Image, other: Image) -> NDArray[np.float32]:
    """The mean squared error of two previews in each of a grid of blocks."""
    import cv2

    difference = cv2.absdiff(one, other)
    squared = cv2.multiply(difference, difference, dtype=cv2.CV_32F)
    return np.asarray(cv2.resize(squared, (_BLOCKS, _BLOCKS), interpolation=cv2.INTER_AREA), np.float32)
