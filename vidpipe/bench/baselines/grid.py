"""Static configurations: each model at each size, looking at every n-th frame; what each would score and cost.

Chameleon (Jiang et al., SIGCOMM 2018, section 2) counts such configurations by model, resolution and frame rate. None
is run here: looks at every frame were measured once, and a stride uses a share of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from vidpipe.accuracy.held import hold
from vidpipe.accuracy.reference.predictions import Predictions
from vidpipe.accuracy.scores.box_score import count, moving, total
from vidpipe.accuracy.series import Series
from vidpipe.bench.figures import Choice

STRIDES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30)
_LONGER = 1.5  # times as long each further stride is: on a scene that hardly changes one look a minute may do
_FEWEST_LOOKS = 4  # by which a stride can be judged


def grid(predictions: Sequence[tuple[str, Predictions]], truth: Series, fps: float) -> list[Choice]:
    """Every static configuration that was looked with.

    Args:
        predictions: model and looks at all frames of `truth`, one for each size.
        truth: the reference on the same frames.
        fps: frames a second.
    """
    still_left_out = moving(truth)
    choices = []
    for model, seen in predictions:
        sure = seen.sure()
        for stride in strides(truth.frames):
            held = hold(sure, stride)
            choices.append(
                Choice(
                    model=model,
                    size=seen.size,
                    stride=stride,
                    cpu=fps * (seen.decode_cpu_ms + seen.cpu_ms / stride) / 1000,
                    f1=total(count(held, truth)).f1,
                    moving_f1=total(count(held, still_left_out)).f1,
                )
            )
    return choices


def as_accurate(choices: Sequence[Choice], f1: float) -> Choice | None:
    """The cheapest configuration whose F1 reaches this; None where none does."""
    accurate = [each for each in choices if each.f1 is not None and each.f1 >= f1]
    return min(accurate, key=_price, default=None)


def as_cheap(choices: Sequence[Choice], cpu: float) -> Choice:
    """The most accurate configuration of no more CPU seconds a second of video; if none, the cheapest of all."""
    affordable = [each for each in choices if each.cpu <= cpu]
    if not affordable:
        return min(choices, key=_price)
    return min(affordable, key=lambda each: (-(each.f1 or 0.0), *_price(each)))


def strides(frames: int) -> list[int]:
    """One frame in how many is looked at: as far as so much footage can tell, in steps that keep the search short."""
    longest = max(1, frames // _FEWEST_LOOKS)
    made = [stride for stride in STRIDES if stride <= longest]
    while made[-1] >= STRIDES[-1] and made[-1] * _LONGER <= longest:
        made.append(round(made[-1] * _LONGER))
    return made


def _price(choice: Choice) -> tuple[float, int]:
    """Cheaper first; of equals the one with fewer frames held."""
    return choice.cpu, choice.stride
