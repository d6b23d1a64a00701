"""Which family reads a network: the one that the user names, if its outputs fit, else the one that fits."""

from __future__ import annotations

from collections.abc import Sequence

from vidpipe.core.errors import ModelError
from vidpipe.models.detectors.output_decoders import Reader, Size
from vidpipe.models.detectors.output_decoders.atss import Atss
from vidpipe.models.detectors.output_decoders.ssd import Ssd
from vidpipe.models.detectors.output_decoders.tfod import Tfod
from vidpipe.models.detectors.output_decoders.yolo import Yolo
from vidpipe.models.detectors.output_decoders.yolox import Yolox
from vidpipe.models.runtimes import Output

READERS: dict[str, type[Reader]] = {"yolo": Yolo, "yolox": Yolox, "ssd": Ssd, "atss": Atss, "tfod": Tfod}


def choose(source: str, family: str | None, outputs: Sequence[Output], size: Size) -> Reader:
    """The reader of a network with these outputs.

    Args:
        source: the model, as errors call it.
        family: as the user or a description says; None takes the one that fits.
        size: (height, width) of the network's input.

    Raises:
        ModelError: the outputs are not of that family, or of none.
    """
    fitting = [name for name, reader in READERS.items() if reader.fits(outputs, size)]
    if family in fitting:
        return READERS[family](outputs, size)
    if family is None and len(fitting) == 1:
        return READERS[fitting[0]](outputs, size)
    found = ", ".join(map(str, outputs))
    way_out = f"set family: {' or '.join(fitting)}" if fitting else f"vidpipe reads {', '.join(READERS)}"
    wrong = "no family fits its outputs" if family is None else f"family {family} does not fit its outputs"
    raise ModelError(f"model {source}: {wrong} {found}: {way_out}")
