"""NNCF, which quantises networks of OpenVINO to int8: the optional part `compress` of vidpipe, slow to import.

It is kept quiet: it would otherwise draw progress bars and send telemetry, which it does without asking.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from vidpipe.core.errors import ModelError
from vidpipe.core.extras import how_to_install
from vidpipe.core.extras import is_installed as has
from vidpipe.models.runtimes import Score, one_line

if TYPE_CHECKING:
    import openvino as ov

_RANKED_ON = 8  # inputs, those that lose most: a look at each for every layer
_MOST_LAYERS = 24  # that go back to float: with more, little is left to gain


def is_installed() -> bool:
    """Whether networks can be quantised here; told without the seconds of its import."""
    return has("nncf")


def quantised(file: Path, model: ov.Model, tensors: Sequence[NDArray[Any]]) -> ov.Model:
    """A network in int8, its ranges calibrated on what it makes of some inputs; the one given stays as it is.

    Args:
        file: as errors call it.

    Raises:
        ModelError: NNCF is not installed, or cannot quantise it.
    """
    check_installed(file)
    with _quiet() as nncf:
        try:
            # Ranges on both sides of zero: those on one side are no cheaper than bf16 where a CPU has that.
            preset = nncf.QuantizationPreset.PERFORMANCE
            return nncf.quantize(model, nncf.Dataset(tensors), preset=preset, subset_size=len(tensors))
        except Exception as error:  # many algorithms deep
            raise ModelError(f"model {file}: NNCF cannot quantise it to int8: {one_line(error)}") from error


def quantised_within(
    file: Path,
    model: ov.Model,
    tensors: Sequence[NDArray[Any]],
    checked: Sequence[NDArray[Any]],
    score: Score,
    drop: float,
) -> ov.Model:
    """As `quantised`, but that layers go back to float, the worst first, until little enough is lost.

    NNCF's accuracy-aware quantisation: each layer is put back by itself and scored on a few inputs, which ranks them;
    then they are put back one after the other, and all inputs scored, until the score suffices.

    Args:
        checked: inputs like the others, that are scored.
        score: of a network's outputs for some of these.
        drop: how much lower than the float network's the score may be.
    """
    check_installed(file)
    with _quiet() as nncf:

        def validate(network: Any, items: Iterable[tuple[int, NDArray[Any]]]) -> tuple[float, list[float]]:
            outputs = [(number, network(tensor).to_tuple()) for number, tensor in items]
            return score(outputs)

        try:
            return nncf.quantize_with_accuracy_control(
                model,
                nncf.Dataset(tensors),
                nncf.Dataset(list(enumerate(checked)), lambda item: item[1]),
                validate,
                max_drop=drop,
                preset=nncf.QuantizationPreset.PERFORMANCE,
                subset_size=len(tensors),
                advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
                    max_num_iterations=_MOST_LAYERS, ranking_subset_size=_RANKED_ON
                ),
            )
        except Exception as error:  # as above
            raise ModelError(f"model {file}: NNCF cannot quantise it to int8: {one_line(error)}") from error


def check_installed(file: Path) -> None:
    """Raise ModelError where NNCF is not installed."""
    if not is_installed():
        raise ModelError(f"model {file}: to be quantised to int8 it takes NNCF: `{how_to_install('compress')}`")


@contextmanager
def _quiet() -> Iterator[Any]:
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        with _without("openvino_telemetry"):  # NNCF then sends nothing, and writes no client's id
            import nncf
        nncf.set_log_level(logging.CRITICAL)
        yield nncf


@contextmanager
def _without(module: str) -> Iterator[None]:
    """As if a module were not installed."""
    known: dict[str, Any] = sys.modules
    before = known.get(module)
    known[module] = None
    try:
        yield
    finally:
        del known[module]
        if before is not None:
            known[module] = before
