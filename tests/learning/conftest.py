"""A gate that was trained on three minutes of the yard: some seconds, once."""

from __future__ import annotations

import pytest

from tests.learning import yard
from vidpipe.learning.network import SIZES
from vidpipe.learning.training import TrainedGate, train


@pytest.fixture(scope="session")
def trained() -> TrainedGate:
    return train(yard.examples(), ["person"], size=SIZES[0], steps=60)
