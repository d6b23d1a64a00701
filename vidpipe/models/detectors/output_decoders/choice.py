"""Which decoder reads a network: that of the family that the user names, if its outputs fit, else the one that fits."""

from __future__ import annotations

from collections.abc import Sequence

from vidpipe.core.errors import ModelError
from vidpipe.models.detectors.output_decoders import OutputDecoder, Size
from vidpipe.models.detectors.output_decoders.atss import Atss
from vidpipe.models.detectors.output_decoders.ssd import Ssd
from vidpipe.models.detectors.output_decoders.tfod import Tfod
from vidpipe.models.detectors.output_decoders.yolo import Yolo
from vidpipe.models.detectors.output_decoders.yolox import Yolox
from vidpipe.models.runtimes import Output

DECODERS: dict[str, type[OutputDecoder]] = {"yolo": Yolo, "yolox": Yolox, "ssd": Ssd, "atss": Atss, "tfod": Tfod}


def choose(source: str, family: str | None, outputs: Sequence[Output], size: Size) -> OutputDecoder:
    """The decoder of a network with these outputs.

    Args:
        source: the model, as errors call it.
        family: as the user or a description says; None takes the one that fits.
        size: (height, width) of the network's input.

    Raises:
        ModelError: the outputs are not of that family, or of none.
    """
    fitting = [name for name, decoder in DECODERS.items() if decoder.fits(outputs, size)]
    if family in fitting:
        return DECODERS[family](outputs, size)
    if family is None and len(fitting) == 1:
        return DECODERS[fitting[0]](outputs, size)
    found = ", ".join(map(str, outputs))
    way_out = f"set family: {' or '.join(fitting)}" if fitting else f"vidpipe reads {', '.join(DECODERS)}"
    wrong = "no family fits its outputs" if family is None else f"family {family} does not fit its outputs"
    raise ModelError(f"model {source}: {wrong} {found}: {way_out}")
