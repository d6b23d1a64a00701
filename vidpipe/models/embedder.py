"""A network that turns pictures into vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.errors import ModelError
from vidpipe.core.frame import Image
from vidpipe.models.base import Embedder
from vidpipe.models.letterbox import Letterbox, LetterboxMode
from vidpipe.models.runtimes import Output, Pixels, Session

PIXELS = Pixels(rgb=True, scale=1 / 255)


class LoadedEmbedder(Embedder, Protocol):
    """An embedder that other threads can have too."""

    def clone(self) -> LoadedEmbedder:
        """Another one for another thread, on the same weights."""
        ...


class NetworkEmbedder:
    """A `LoadedEmbedder` made of one network with one output, whose values are scaled to a vector of length 1.

    It is run once, to warm it up.

    Args:
        session: the network, ready to run.
        length: of its vectors.
    """

    def __init__(self, session: Session, length: int) -> None:
        self._session = session
        self._length = length
        self._letterboxes = [Letterbox(LetterboxMode.STRETCH, picture) for picture in session.pictures]
        self.embed([np.full(session.pictures.shape[1:], 128, np.uint8)])  # the first run is slow: not on a frame's time

    def clone(self) -> NetworkEmbedder:
        """See `LoadedEmbedder.clone`."""
        return NetworkEmbedder(self._session.clone(), self._length)

    def embed(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """See `Embedder.embed`; a picture of which the network sees nothing gives zeros."""
        vectors = np.empty((len(images), self._length), np.float32)
        at_once = len(self._letterboxes)
        for start in range(0, len(images), at_once):
            batch = images[start : start + at_once]
            for letterbox, image in zip(self._letterboxes, batch, strict=False):
                letterbox.put(image)
            output = self._session.run(len(batch))[0]
            vectors[start : start + len(batch)] = output.reshape(len(batch), self._length)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, lengths, out=vectors, where=lengths > 0)
        return vectors


def vector_length(source: str, outputs: Sequence[Output]) -> int:
    """Values in the one output of an embedder, for one picture.

    Raises:
        ModelError: it has several outputs, or one of varying length: then it is no embedder.
    """
    shape: Any = outputs[0].shape[1:] if len(outputs) == 1 else (-1,)
    if not shape or min(shape) < 1:
        found = ", ".join(map(str, outputs))
        raise ModelError(f"model {source}: an embedder has one output of fixed length, found {found}")
    return int(np.prod(shape))
