"""Fixtures for all tests: where real footage lies, and a cluster."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vidpipe.learning.training import TrainedGate

_ASSETS = Path(os.environ.get("VIDPIPE_ASSETS", Path(__file__).parents[2] / "shared"))


_OF_MANY_PROCESSES = ("cameras", "cli", "engine", "samples")  # folders


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that start clusters, commands and servers go one after the other by kind (pytest-xdist).

    They wait more than they work, so that the kinds may go beside each other.
    """
    for item in items:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        if folder == "speed":
            item.add_marker(pytest.mark.timed)
        if item.path.stem == "test_soak":
            item.add_marker(pytest.mark.xdist_group("soak"))
        elif folder in _OF_MANY_PROCESSES:
            item.add_marker(pytest.mark.xdist_group(folder))
        elif item.get_closest_marker("ray"):
            item.add_marker(pytest.mark.xdist_group("ray"))


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder with real clips (videos/), models (models/) and labels (truth/); skips where there is none."""
    if not (_ASSETS / "videos").is_dir():
        pytest.skip(f"no real footage: {_ASSETS} has no folder videos/ (set VIDPIPE_ASSETS)")
    return _ASSETS


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The address of a Ray with a machine for each tier."""
    from ray.cluster_utils import Cluster

    machines = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "resources": {"device": 1}})
    for tier in ("edge", "cloud"):
        machines.add_node(num_cpus=1, resources={tier: 1})
    yield machines.address
    machines.shutdown()


@pytest.fixture(scope="session")
def trained() -> "TrainedGate":
    """A gate that was trained on three minutes of the yard: some seconds, once."""
    from tests.learning import yard
    from vidpipe.learning.network import SIZES
    from vidpipe.learning.training import train

    return train(yard.examples(), ["person"], size=SIZES[0], steps=60)
