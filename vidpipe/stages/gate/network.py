"""The family of gate networks, in torch: two to four convolutions, from a 50 pixel wide picture up.

NoScope's specialised CNNs (section 4) and FFS-VA's SNM flatten the last feature map into dense layers, which must see
a target at each place to know it there. These take the maximum over all places: with the few targets that a quiet
stream shows in an hour, that is what generalises. What the fixed scene looks like is part of the network: the mean of
standardised pictures without a target is subtracted first, so that exposure drops out and the background with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Size:
    """One architecture of the family.

    Attributes:
        name: for reports: width in pixels x layers.
        shrink: the preview is averaged over squares of this side first.
        filters: of each 3x3 convolution, in order.
        strides: of each.
    """

    name: str
    shrink: int
    filters: tuple[int, ...]
    strides: tuple[int, ...]


SIZES = (
    Size("53x2", 3, (16, 32), (2, 2)),
    Size("80x3", 2, (8, 16, 32), (2, 2, 1)),
    Size("160x4", 1, (8, 16, 32, 32), (2, 2, 2, 1)),
)
"""From the cheapest on."""


class GateNet(nn.Module):  # type: ignore[misc]
    """A picture in grey levels to a logit.

    Args:
        scene: float32 [h', w'], mean of standardised pictures without a target, at the network's own size.
    """

    def __init__(self, size: Size, scene: NDArray[np.float32]) -> None:
        super().__init__()
        self.side = size.shrink
        self.register_buffer("scene", torch.from_numpy(scene)[None, None])
        layers: list[nn.Module] = []
        channels = 1
        for filters, stride in zip(size.filters, size.strides, strict=True):
            layers += [
                nn.Conv2d(channels, filters, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(filters),
                nn.ReLU(),
            ]
            channels = filters
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(2 * channels, 1)

    def shrink(self, pictures: Tensor) -> Tensor:
        """uint8 [n, 1, h, w] to the size that is looked at: float [n, 1, h', w'] in grey levels."""
        return nn.functional.avg_pool2d(pictures.float(), self.side)

    def compare(self, small: Tensor) -> Tensor:
        """What is unlike the scene, whatever the exposure: float [n, 1, h', w']."""
        centred = small - small.mean(dim=(2, 3), keepdim=True)
        spread = (centred * centred).mean(dim=(2, 3), keepdim=True).sqrt()
        return centred / (spread + 1) - self.scene

    def decide(self, unlike: Tensor) -> Tensor:
        """What `compare` made, to logits [n, 1]."""
        found = self.layers(unlike)
        logits: Tensor = self.head(torch.cat([found.amax(dim=(2, 3)), found.mean(dim=(2, 3))], dim=1))
        return logits

    def forward(self, pictures: Tensor) -> Tensor:
        return self.decide(self.compare(self.shrink(pictures)))


class Calibrated(nn.Module):  # type: ignore[misc]
    """A net whose logits have become scores, 0..1, by Platt's two numbers: what is exported."""

    def __init__(self, net: GateNet, slope: float, offset: float) -> None:
        super().__init__()
        self.net = net
        self.slope = slope
        self.offset = offset

    def forward(self, pictures: Tensor) -> Tensor:
        return torch.sigmoid(self.net(pictures) * self.slope + self.offset)


def to_openvino(net: nn.Module, picture: tuple[int, int]) -> tuple[bytes, bytes]:
    """OpenVINO's IR of a net that takes uint8 [1, 1, h, w]: its .xml and its .bin.

    Args:
        picture: (height, width) of the input.
    """
    import openvino as ov

    example: Any = torch.zeros((1, 1, *picture), dtype=torch.uint8)
    with torch.no_grad():
        model = ov.convert_model(net.eval(), example_input=example, input=[1, 1, *picture])
    with TemporaryDirectory() as folder:
        target = Path(folder) / "gate.xml"
        ov.save_model(model, target, compress_to_fp16=False)
        return target.read_bytes(), target.with_suffix(".bin").read_bytes()
