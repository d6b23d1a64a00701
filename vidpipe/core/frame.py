"""One decoded picture of one stream, and the views of it that stages ask for."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.motion import Motion
from vidpipe.core.settings import Knobs

if TYPE_CHECKING:
    from vidpipe.core.answer import How

Image = NDArray[np.uint8]

_NO_KNOBS = Knobs()


class Picture(Protocol):
    """The pixels behind a frame, read-only; see `vidpipe.core.picture` for the kinds that there are."""

    def luma(self) -> Image: ...

    def bgr(self) -> Image: ...

    def yuv(self, x: NDArray[np.intp], y: NDArray[np.intp]) -> Image:
        """Single pixels, [..., 3], for a fraction of what a conversion of the whole picture takes."""
        ...

    @property
    def nbytes(self) -> int:
        """What it takes to pass the pixels on without loss."""
        ...


class Frame:
    """One decoded picture, valid only during the call that it is handed to (`keep` copies).

    Every view of it is read-only: others see the same pixels.

    Attributes:
        stream: name of the stream.
        seq: counts the stream's pictures in presentation order from 0, decoded or not.
        pts: media seconds.
        discontinuity: the same for pictures that go on from each other. It changes where a camera was offline, its
            clock jumped or its picture has another size: tracking and comparison with earlier pictures end there.
        captured_at: UTC seconds, or None for a recording that does not say.
        width, height: of the source in pixels, upright. Beyond a link the views may be smaller; boxes never are.
        hidden: bool [h, w], what masks and regions of interest leave out; None where there are none. It is already
            blank in every view.
        visible: the share of the picture that they leave, in 0..1.
        knobs: the version of settings that this frame is treated with.
        features: small arrays or detections that a stage leaves, under its id, for stages below. They cross links, as
            a copy, and are counted there: what a stage below changes or leaves is not seen above the link.
        memos: what a stage keeps of the frame for itself, under its id, until it hears what became of it. They stay.
        computed: float arrays that a stage of the device has computed anyway, under its id, for events that are
            learnt. They stay, and nobody writes into them.
        in_parts: only parts of the picture crossed a link, for a stage that asked for no more; the rest is grey.
        since: `time.monotonic()`, on the machine that reads the stream, when the picture was taken (live) or decoded
            (a recording): its latency counts from then. 0.0 where that is not known.
        trace: of a sampled frame, what its spans are parts of, as a W3C `traceparent`; "" of any other.
    """

    __slots__ = (
        "_bgr",
        "_computed",
        "_features",
        "_memos",
        "_motion",
        "_previews",
        "_vectors",
        "captured_at",
        "discontinuity",
        "height",
        "hidden",
        "in_parts",
        "knobs",
        "picture",
        "pts",
        "seq",
        "since",
        "stream",
        "trace",
        "visible",
        "width",
    )

    def __init__(
        self,
        stream: str,
        seq: int,
        pts: float,
        picture: Picture,
        width: int,
        height: int,
        *,
        captured_at: float | None = None,
        since: float = 0.0,
        hidden: NDArray[np.bool_] | None = None,
        visible: float = 1.0,
        knobs: Knobs = _NO_KNOBS,
        discontinuity: int = 0,
        vectors: Callable[[], Motion] | None = None,
        in_parts: bool = False,
        trace: str = "",
    ) -> None:
        self.stream = stream
        self.seq = seq
        self.pts = pts
        self.picture = picture
        self.width = width
        self.height = height
        self.captured_at = captured_at
        self.since = since
        self.hidden = hidden
        self.visible = visible
        self.knobs = knobs
        self.discontinuity = discontinuity
        self.in_parts = in_parts
        self.trace = trace
        self._features: dict[str, Any] | None = None
        self._memos: dict[str, Any] | None = None
        self._computed: dict[str, NDArray[Any]] | None = None
        self._bgr: Image | None = None
        self._previews: dict[int, Image] | None = None
        self._vectors = vectors
        self._motion: Motion | None = None

    @property
    def features(self) -> dict[str, Any]:
        if self._features is None:
            self._features = {}
        return self._features

    @property
    def memos(self) -> dict[str, Any]:
        if self._memos is None:
            self._memos = {}
        return self._memos

    @property
    def computed(self) -> dict[str, NDArray[Any]]:
        if self._computed is None:
            self._computed = {}
        return self._computed

    def luma(self) -> Image:
        """uint8 [h, w]: a view of the decoder's luma plane."""
        return self.picture.luma()

    def bgr(self) -> Image:
        """uint8 [h, w, 3], converted on first use and kept for the frame's life."""
        if self._bgr is None:
            self._bgr = self.picture.bgr()
            self._bgr.setflags(write=False)
        return self._bgr

    @property
    def bgr_scale(self) -> NDArray[np.float64]:
        """What `xyxy` in pixels of the source is multiplied by, [4], to lie in `bgr()`, which a link may scale down."""
        height, width = self.bgr().shape[:2]
        return np.array([width / self.width, height / self.height] * 2)

    def preview(self, width: int = 160) -> Image:
        """uint8 grey of about `width` columns and one row at least, made once.

        Each value is the mean of a run of k luma pixels in every k-th row: reading one row in k costs an eighth of
        averaging whole blocks at 768x576 and, unlike picking single pixels, does not alias sensor noise into motion.
        """
        if self._previews is None:
            self._previews = {}
        preview = self._previews.get(width)
        if preview is None:
            preview = self._previews[width] = _sparse_means(self.luma(), width)
            preview.setflags(write=False)
        return preview

    def motion(self) -> Motion | None:
        """How the picture moves, by the vectors of its codec; made on first use and kept for the frame's life.

        None where nobody can tell: of codecs without vectors that can be read (HEVC, VP9, MJPEG), of hardware decoders
        and sources of a user's own, beyond a link, and where no stage wanted it when the decoder was opened
        (`StageConfig.wants_motion`).
        """
        if self._motion is None and self._vectors is not None:
            self._motion = self._vectors()
        return self._motion

    def share_views(self, once: Callable[[Callable[[], Motion]], Callable[[], Motion]]) -> None:
        """Have copies of this frame that are made from now on share what is made of the picture.

        Args:
            once: has several threads make the same thing once.
        """
        self._previews = {}
        if self._vectors is not None:
            self._vectors = once(self._vectors)

    def forget_motion(self) -> None:
        """Be as a frame whose decoder was not asked for vectors."""
        self._vectors = self._motion = None

    def twin(self) -> Frame:
        """The same picture with nothing made of it but BGR: whoever asks for a view makes his own."""
        frame: Frame = copy.copy(self)
        frame._features = frame._memos = frame._computed = frame._previews = frame._motion = None
        return frame

    def across(self) -> Frame:
        """The same picture for stages beyond a link: no pixel is copied, and its features are its own."""
        frame: Frame = copy.copy(self)
        frame._vectors = frame._motion = None
        frame._features = copy.deepcopy(self._features)
        frame._memos = frame._computed = None
        frame._previews = None if self._previews is None else dict(self._previews)
        return frame

    def keep(self, view: NDArray[Any]) -> NDArray[Any]:
        """A copy of a view, to hold beyond the call."""
        return np.array(view, copy=True)

    def __repr__(self) -> str:
        return f"Frame({self.stream!r}, seq={self.seq}, pts={self.pts:.3f}, {self.width}x{self.height})"


class Missing:
    """A picture of the source that never became a frame: damaged, dropped, not decoded. It gets an answer all the same.

    Attributes:
        captured_at, since: as of `Frame`.
    """

    __slots__ = ("captured_at", "how", "pts", "reason", "seq", "since", "stream")

    def __init__(
        self,
        stream: str,
        seq: int,
        pts: float,
        how: How,
        reason: str,
        captured_at: float | None = None,
        since: float = 0.0,
    ) -> None:
        self.stream = stream
        self.seq = seq
        self.pts = pts
        self.how = how
        self.reason = reason
        self.captured_at = captured_at
        self.since = since


def _sparse_means(luma: Image, width: int) -> Image:
    import cv2

    rows, columns = luma.shape
    k = round(columns / width)
    if k <= 1:
        return np.array(luma, copy=True)
    sparse = luma[min(k, rows) // 2 :: k, : columns // k * k]  # of a picture lower than that, its middle row
    # cv2.resize (INTER_AREA) gives the same to the last bit and takes twice as long: it has no SIMD for runs. Copied as
    # bytes first, as conversion would wait for each row to come from memory.
    runs = np.ascontiguousarray(sparse).astype(np.float32).reshape(len(sparse), -1, k)
    means: Image = cv2.convertScaleAbs(runs @ np.ones(k, np.float32), alpha=1 / k)
    return means
