"""What a gate costs: the promise is 0.3 ms a frame on one core; the preview of a picture is the yardstick."""

from __future__ import annotations

import pytest

from tests.speed.conftest import fresh, noise
from tests.stages.gate import yard
from vidpipe.models.gate import Gate, GateNetwork, Normal
from vidpipe.stages.gate.network import SIZES, Calibrated, GateNet, to_openvino


@pytest.mark.parametrize(("size", "most"), zip(SIZES, (4, 6, 12), strict=True), ids=[size.name for size in SIZES])
def test_a_gate_costs_a_few_previews(ratio, size, most):
    """At 768x576 a preview takes some 0.03 ms, and the largest network ten times that."""
    import numpy as np

    picture = noise(768, 576)
    preview = fresh(picture).preview()
    height, width = preview.shape
    scene = np.zeros((height // size.shrink, width // size.shrink), np.float32)
    xml, weights = to_openvino(Calibrated(GateNet(size, scene), 1.0, 0.0), preview.shape)
    normal = Normal(scene, np.zeros(3, np.float32), np.ones(3, np.float32))
    gate = Gate("cam", (768, 576), yard.CLASSES, None, None, normal, xml, weights, preview.shape)
    network = GateNetwork(gate)
    assert ratio(lambda: network.score(preview), lambda: fresh(picture).preview()) < most
