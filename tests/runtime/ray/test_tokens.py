"""The token of a Ray. What must hold:

- our own takes one that nobody else has, and leaves nothing of it: no file, nothing in the environment, in no command;
- a cluster that takes a token is joined with it, from wherever Ray reads it, and refused in a line without.
"""

from __future__ import annotations

import os
from contextlib import suppress

import psutil
import pytest
from ray.cluster_utils import Cluster

from tests import clips
from tests.runtime.conftest import Runner
from vidpipe import Run
from vidpipe.core.errors import RunError
from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.driver.run import run
from vidpipe.runtime.ray.local import bare_nodes
from vidpipe.runtime.ray.tokens import own_token

pytestmark = pytest.mark.ray

TOKEN = "c0ffee" * 8
NAMES = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
PIPELINE = """
classes: {even: even, odd: odd}
stages: [{id: read, type: mystages:Read}]
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def pipeline(tmp_path):
    runner = Runner(tmp_path, "ray", None)
    (runner.folder / "pipeline.yaml").write_text(PIPELINE)
    return load(runner.folder / "pipeline.yaml", sources={"a": str(clips.encode(tmp_path / "clip.mp4", frames=10))})


def arguments(child: psutil.Process) -> list[str]:
    """What a process list shows of it; nothing of one that has ended meanwhile."""
    with suppress(psutil.NoSuchProcess):
        return child.cmdline()
    return []


@pytest.mark.long
def test_of_our_own_ray_nothing_is_left(pipeline, home, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # as the user has it for other Rays
    before = {name: os.environ.get(name) for name in NAMES}
    tokens = set()
    for _ in range(2):
        with Run(pipeline, engine="ray", results=False) as session:
            assert os.environ["RAY_AUTH_MODE"] == "token"
            tokens.add(token := os.environ["RAY_AUTH_TOKEN"])
            children = psutil.Process().children(recursive=True)
            assert children
            assert not any(token in argument for child in children for argument in arguments(child))
            outcome = session.join()
        assert token not in str(outcome.report)
        assert {name: os.environ.get(name) for name in NAMES} == before
    assert len(tokens) == 2
    assert list(home.iterdir()) == []


@pytest.fixture
def closed(home):
    """The address of a cluster that takes a token, and the token; this process has none afterwards."""
    with own_token(), bare_nodes():
        resources = {"device": 1, "edge": 1, "cloud": 1}
        machines = Cluster(initialize_head=True, head_node_args={"resources": resources, "num_cpus": 0})
        token = os.environ["RAY_AUTH_TOKEN"]
    yield machines.address, token
    machines.shutdown()


@pytest.mark.long
def test_a_cluster_that_takes_a_token(pipeline, closed, home, monkeypatch):
    address, token = closed
    refused = f"the Ray at {address} cannot be joined: it takes a token, and this machine has"
    with pytest.raises(RunError, match=f"{refused} none: set RAY_AUTH_TOKEN") as raised:
        run(pipeline, address=address)
    assert "\n" not in str(raised.value)
    with monkeypatch.context() as meanwhile:
        meanwhile.setenv("RAY_AUTH_TOKEN", "a" * 48)
        with pytest.raises(RunError, match=f"{refused} another one: ") as raised:
            run(pipeline, address=address)
        assert "a" * 48 not in str(raised.value)
    file = home / ".ray" / "auth_token"  # where Ray itself keeps one
    file.parent.mkdir()
    file.write_text(token)
    assert run(pipeline, address=address).exit_status == 0
    assert not [name for name in NAMES if name in os.environ]
    file.unlink()
    monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    assert run(pipeline, address=address).exit_status == 0


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ({"RAY_AUTH_MODE": "token"}, "RAY_AUTH_MODE says token, and this machine has none: set RAY_AUTH_TOKEN"),
        ({"RAY_AUTH_TOKEN_PATH": "/nowhere"}, "RAY_AUTH_TOKEN_PATH names /nowhere, which cannot be read or is empty"),
    ],
)
def test_what_the_environment_says_wrongly_is_told(pipeline, cluster, home, monkeypatch, says, told):
    """Ray aborts the process."""
    for name, value in says.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RunError, match=f"the Ray at {cluster} cannot be joined: {told}"):
        run(pipeline, address=cluster)


def test_versions_of_ray_that_do_not_fit_are_told_in_a_line(pipeline, cluster, home, monkeypatch):
    def init(**_):
        raise RuntimeError(
            "Version mismatch: The cluster was started with:\n    Ray: 2.9\n    Python: 3.9\nThis one: 2.60"
        )

    monkeypatch.setattr("ray.init", init)
    with pytest.raises(RunError, match=r"with: Ray: 2\.9 Python: 3\.9 This one: 2\.60$"):
        run(pipeline, address=cluster)


@pytest.mark.long
def test_a_token_that_lies_in_the_home_does_not_keep_a_run_from_a_cluster_without(pipeline, cluster, home):
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").write_text(TOKEN)
    assert run(pipeline, address=cluster).exit_status == 0
