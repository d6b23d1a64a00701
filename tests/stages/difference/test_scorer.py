"""Which changes matter: things, wherever they are; never light, noise, leaves or clocks."""

from __future__ import annotations

import numpy as np
import pytest

from tests.stages.difference.yard import COLUMNS, ROWS, Yard
from vidpipe.stages.difference.blocks import Blocks
from vidpipe.stages.difference.scorer import fit, usual

BLOCKS = Blocks((ROWS, COLUMNS), 10)


@pytest.fixture(scope="module")
def yard():
    return Yard()


@pytest.fixture(scope="module")
def reference(yard):
    return np.mean([yard.picture(tree=True, clock=True) for _ in range(30)], axis=0).astype(np.float32)


@pytest.fixture(scope="module")
def scorer(yard, reference):
    """Fitted on a yard with a tree and a clock, in which things only ever crossed the middle."""
    still = [yard.picture(tree=True, clock=True, light=light) for light in np.linspace(0.9, 1.1, 200)]
    things = [yard.picture(tree=True, clock=True, thing=(x, 50)) for x in range(40, 140, 2)]
    changes = np.array([residuals(picture, reference) for picture in (*still, *things)])
    level = usual(changes[: len(still)])
    return fit(changes, np.arange(len(changes)) >= len(still), level)


def residuals(picture, reference):
    return BLOCKS.residuals(picture, reference, float(reference.mean()))


@pytest.mark.parametrize(
    "what",
    [
        {},
        {"light": 0.6},
        {"light": 1.3},
        {"noise": 2.2},
        {"tree": True},
        {"clock": True},
        {"tree": True, "clock": True, "light": 0.8, "noise": 1.8},
    ],
)
def test_nothing_of_this_is_as_strong_as_a_thing(scorer, yard, reference, what):
    """An exposure step, night noise, leaves, an overlay: each well under the faintest of what matters."""
    without = {"tree": True, "clock": True} | what
    strongest = max(scorer.score(residuals(yard.picture(**without), reference)) for _ in range(30))
    things = [(20, 20), (80, 30), (130, 80), (60, 95)]
    faintest = min(
        scorer.score(residuals(yard.picture(**without, thing=thing, contrast=40), reference)) for thing in things
    )
    assert strongest + 0.5 < faintest


def test_a_place_that_nothing_has_crossed_is_no_blind_spot(scorer):
    """Below and above the middle no thing ever was: those blocks keep at least half of the usual weight."""
    assert scorer.weights[1:, 4:8].min() > 0.5 * np.median(scorer.weights)


def test_a_pulse_of_compression_is_no_change(scorer, yard, reference):
    """A key picture comes out sharper or softer than those before it, all over."""
    picture = yard.picture(tree=True, clock=True).astype(np.float32)
    pulse = np.clip(picture + 1.5 * np.sign(np.random.default_rng(0).normal(size=picture.shape)), 0, 255)
    thing = yard.picture(tree=True, clock=True, thing=(70, 50))
    assert scorer.score(residuals(pulse.astype(np.uint8), reference)) + 0.5 < scorer.score(residuals(thing, reference))


def test_hidden_parts_say_nothing():
    hidden = np.zeros((ROWS, COLUMNS), bool)
    hidden[:, : COLUMNS // 2] = True
    blocks = Blocks((ROWS, COLUMNS), 10, hidden)
    yard = Yard()
    one, other = yard.picture(), yard.picture(thing=(20, 50))
    one[:, : COLUMNS // 2] = other[:, : COLUMNS // 2] = 0
    changes = blocks.residuals(other, one.astype(np.float32), float(one.mean()))
    assert not changes[:, :5].any()
    assert changes[:, 5:].max() < 10
