"""A picture of which only features crossed a link."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.errors import StageError
from vidpipe.core.frame import Image
from vidpipe.models.split.coding import Features


class FeaturePicture:
    """What a frame has in place of its pixels behind a link that is split; only the tail of a model can look at it."""

    __slots__ = ("features",)

    def __init__(self, features: Features) -> None:
        self.features = features

    @property
    def nbytes(self) -> int:
        return int(self.features.maps.data.nbytes)

    def luma(self) -> Image:
        self._refuse()

    def bgr(self) -> Image:
        self._refuse()

    def yuv(self, x: NDArray[np.intp], y: NDArray[np.intp]) -> Image:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise StageError("no pixels of this frame crossed the link, only features for the model there (`split`)")
