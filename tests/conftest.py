"""Fixtures for all tests: where real footage lies, and a cluster."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from vidpipe.stages.gate.training import TrainedGate

os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")  # as in the package, before anybody imports Ray
os.environ.setdefault("VIDPIPE_ALLOW_MODULES", "1")  # of machines of a cluster: stages of tests travel there
# Workers share the cores: threads of small networks that wait for each other cost more than they save.
for _library in ("OMP", "OPENBLAS"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

_TESTS = Path(__file__).parent
_ASSETS = Path(os.environ.get("VIDPIPE_ASSETS", _TESTS.parents[1] / "shared"))

# A file goes to one worker whole, and so do files that share what takes long to make: a cluster, or a trained gate.
_TOGETHER = {
    "engines on a cluster": ("runtime/test_engines.py", "stages/gate/test_engines.py"),
    "streams on a cluster": tuple(
        f"runtime/test_{name}.py"
        for name in (
            *("beginning_and_end", "frame_sinks", "interim", "live", "odd_answers", "parity"),
            *("reconfigurer", "recordings", "rules", "session", "variants"),
        )
    ),
    "a trained gate": ("stages/gate/", "cli/test_versions.py", "tuning/test_gated.py"),
}
# What takes longest begins first: then no worker is left with it when the others are done.
_FIRST = (*_TOGETHER, "cameras/", "cli/", "samples/", "bench/", "accuracy/", "stages/", "tuning/")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Who asks for timed tests alone need not load all the others: ten seconds."""
    if not config.option.markexpr.startswith("timed") or collection_path.suffix != ".py" or _is_speed(collection_path):
        return None
    return "pytest.mark.timed" not in collection_path.read_text() or None


def _is_speed(path: Path) -> bool:
    return path.is_relative_to(_TESTS / "speed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _is_speed(item.path):
            item.add_marker(pytest.mark.timed)
    items.sort(key=lambda item: _turn(_unit(item.nodeid)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Whom pytest-xdist's workers share tests by.

    Marks of groups are no way: pytest 9.2 and pytest-xdist 3.8 together pass over them without a word.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByUnit(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _unit(nodeid)

    config.option.loadscopereorder = False
    return ByUnit(config, log)


def _unit(nodeid: str) -> str:
    """What a test goes to a worker with."""
    file = nodeid.split("::")[0].removeprefix("tests/")
    return next((unit for unit, files in _TOGETHER.items() if file.startswith(files)), file)


def _turn(unit: str) -> int:
    return next((turn for turn, first in enumerate(_FIRST) if unit.startswith(first)), len(_FIRST))


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

    from tests.warm.ask import PLACE
    from tests.warm.forked import template
    from vidpipe.runtime.ray.local import bare_nodes

    os.environ[PLACE] = template().place
    options = {"num_cpus": 0}  # for each of them Ray keeps an idle process at hand
    options["setup_worker_path"] = str(_TESTS / "warm" / "ray_worker.py")
    with bare_nodes():
        machines = Cluster(initialize_head=True, head_node_args={"resources": {"device": 1}, **options})
        for tier in ("edge", "cloud"):
            machines.add_node(resources={tier: 1}, **options)
    yield machines.address
    machines.shutdown()


@pytest.fixture(scope="session")
def trained() -> "TrainedGate":
    """A gate that was trained on three minutes of the yard: some seconds, once."""
    from tests.stages.gate import yard
    from vidpipe.stages.gate.network import SIZES
    from vidpipe.stages.gate.training import train

    return train(yard.examples(), ["person"], size=SIZES[0], steps=60)
