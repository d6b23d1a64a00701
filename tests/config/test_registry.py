"""Stages by name: those of vidpipe, of an installed package, of the user's own folder."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from tests.config.conftest import GOOD, Write
from vidpipe import extensions
from vidpipe.config import InvalidPipelineError, load
from vidpipe.errors import ConfigError
from vidpipe.registry import STAGES
from vidpipe.stages.base import Stage
from vidpipe.stages.detect import Detect

OWN = '''
from vidpipe.stages.base import ClassName, Knob, ModelName, Stage, StageConfig

class CountConfig(StageConfig):
    least: int = Knob(1, ge=0)
    line: dict[ClassName, list[float]] = {}
    models: list[ModelName] = []

class Count(Stage[CountConfig]):
    """Ten lines of somebody's own."""
    Config = CountConfig
    can_be_last = True
    def answer(self, frames):
        return [None for _ in frames]

class NoStage:
    pass
'''


@pytest.fixture
def own(write: Write, request: pytest.FixtureRequest) -> str:
    """A module in the working directory with stages of its own, under a name that no other test imports."""
    name = f"own_{abs(hash(request.node.name))}"
    write(OWN, f"{name}.py")
    return name


@pytest.mark.parametrize("name", STAGES.builtin)
def test_every_builtin_is_a_stage_that_knows_its_name(name: str) -> None:
    stage = STAGES.find(name)
    assert issubclass(stage, Stage)
    assert STAGES.name_of(stage) == name


def test_a_stage_of_ones_own_lies_beside_the_pipeline(own: str, folder: Path) -> None:
    stage = STAGES.find(f"{own}:Count", [str(folder)])
    assert (stage.__name__, STAGES.name_of(stage)) == ("Count", f"{own}:Count")


def test_a_file_beside_the_pipeline_does_not_stand_in_for_pythons_own(write: Write, folder: Path) -> None:
    write("raise RuntimeError('imported the wrong one')", "queue.py")
    STAGES.find("tests.config.test_registry:Listed", [str(folder)])
    assert sys.path[-1] == str(folder)


class Listed(Detect):
    """Stands for a stage of an installed package."""


def test_an_installed_package_may_bring_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("listed", "tests.config.test_registry:Listed", STAGES.group)
    monkeypatch.setattr(extensions, "entry_points", lambda group: [entry] if group == STAGES.group else [])
    assert STAGES.find("listed") is Listed
    with pytest.raises(ConfigError, match="unknown stage type 'lsted'; did you mean 'listed'"):
        STAGES.find("lsted")


def test_an_own_stage_is_checked_like_any_other(own: str, write: Write) -> None:
    stage = f"{{id: count, type: '{own}:Count', least: -1, line: {{persn: [1]}}, models: [big, huge]}}"
    text = GOOD.replace("{id: difference, type: difference, threshold: 20}", stage)
    with pytest.raises(InvalidPipelineError) as error:
        load(write(text))
    assert str(error.value) == "street.yaml:9: stages.count.least: must be at least 0, not -1"
    with pytest.raises(InvalidPipelineError) as error:
        load(write(text.replace("-1", "1")))
    assert str(error.value).splitlines() == [
        "street.yaml:9: stages.count.models.1: there is no model 'huge'; there is big, little",
        "street.yaml:9: stages.count.line.persn: there is no class 'persn'; did you mean 'person'?",
    ]


BROKEN = [
    ("nowhere_{own}:Count", "cannot be imported: ModuleNotFoundError: No module named 'nowhere_{own}'"),
    ("{own}:Cuont", "module '{own}' has no stage 'Cuont'; did you mean 'Count'?"),
    ("{own}:NoStage", "stage '{own}:NoStage' is not a subclass of vidpipe.stages.base.Stage"),
    ("{own}:Stage", "stage '{own}:Stage' is not a subclass of vidpipe.stages.base.Stage"),
    ("bad_{own}:Count", "cannot be imported: SyntaxError: invalid syntax (bad_{own}.py, line 2)"),
    ("sad_{own}:Count", "cannot be imported: ValueError: no"),
    (":Count", "cannot be imported: ValueError: Empty module name"),
]


@pytest.mark.parametrize(("name", "message"), BROKEN)
def test_a_stage_that_cannot_be_had_is_refused_in_one_line(own: str, write: Write, name: str, message: str) -> None:
    write("\nclass class", f"bad_{own}.py")
    write("raise ValueError('no\\nand more')", f"sad_{own}.py")
    with pytest.raises(ConfigError) as error:
        STAGES.find(name.format(own=own), [str(Path.cwd())])
    assert str(error.value).endswith(message.format(own=own))
    assert "\n" not in str(error.value)


def test_a_stage_that_answers_nothing_is_refused(write: Write, folder: Path) -> None:
    write("from vidpipe import Stage\n\nclass Silent(Stage):\n    pass\n", "own_silent.py")
    with pytest.raises(ConfigError, match="stage 'own_silent:Silent' has no method `answer`"):
        STAGES.find("own_silent:Silent", [str(folder)])
