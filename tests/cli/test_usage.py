"""What is typed wrongly is told in one line, with status 2; help and `check` and `plan` say what they should."""

import re
import tomllib
from pathlib import Path

import pytest

import vidpipe
from tests.cli.conftest import READ

TWO_TIERS = """
name: two
classes: {even: even, odd: odd}
stages:
  - {id: difference, type: difference, on: device}
  - {id: read, type: mystages:Read, on: edge}
links: {device-edge: {codec: jpeg, quality: 70}}
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu"], "no such command 'rnu'. Did you mean 'run'? (see vidpipe --help)"),
        (["run"], "missing argument 'pipeline' (see vidpipe run --help)"),
        (
            ["run", "p.yaml", "--engine", "rya"],
            "invalid value for '--engine': 'rya' is not one of 'ray', 'inline' (see",
        ),
        (["run", "p.yaml", "--source"], "option '--source' requires an argument (see vidpipe --help)"),
        (["check", "p.yaml", "--frobnicate"], "no such option: --frobnicate (see vidpipe check --help)"),
        (["run", "nosuch.yaml"], "pipeline nosuch.yaml: no such file"),
        (["run", "pear"], "no pipeline 'pear' in ./pipelines or among those of vidpipe; did you mean 'pair'?"),
        (["check", "street", "--set", "stages.little.accept"], "--set stages.little.accept: "),
        (["check", "street", "--config", "nosuch.yaml"], "nosuch.yaml: "),
    ],
)
def test_wrong_command_lines(shell, arguments, said):
    ended = shell.vidpipe(*arguments)
    assert ended.status == 2
    assert ended.error.startswith(said)
    assert not ended.out


ADDRESS = "rtsp://admin:hun'ter2@10.0.0.9/live?token=hunter3"
PLACES = [
    [ADDRESS],
    ["run", ADDRESS],
    ["check", ADDRESS],
    ["plan", "admin:hunter2@10.0.0.9/live"],
    ["check", "street", ADDRESS],
    ["run", f"--{ADDRESS}"],
    ["run", "street", "--engine", ADDRESS],
    ["check", "street", "--config", ADDRESS],
    ["check", "street", "--set", ADDRESS],
    ["check", "street", "--set", f"models.big.path={ADDRESS}"],
    ["check", "street", "--set", f"stages.{ADDRESS}=3"],
    ["run", "street", "--source", "gate=nosuch.mp4", "--metrics", ADDRESS],
    ["run", "street", "--source", f"live+file:{ADDRESS}"],
    ["specialize", "street", "--source", ADDRESS, "--for", ADDRESS],
    ["versions", ADDRESS],
    ["bench", "street", "--truth", ADDRESS, "--source", "nosuch.mp4"],
    ["probe", ADDRESS, "--seconds", ADDRESS],
]


@pytest.mark.long
@pytest.mark.parametrize("arguments", PLACES, ids=" ".join)
def test_an_address_in_the_wrong_place_is_not_repeated(shell, arguments):
    ended = shell.vidpipe(*arguments)
    assert ended.status in (1, 2)
    assert "hun" not in ended.out + ended.err
    assert "fault of vidpipe" not in ended.err


@pytest.mark.parametrize("arguments", [[], ["--help"], ["run", "--help"]])
def test_help_is_no_mistake(shell, arguments):
    ended = shell.vidpipe(*arguments)
    assert (ended.status, ended.err) == (0, "")
    assert "Usage: vidpipe" in ended.out


def test_the_version_is_said(shell):
    ended = shell.vidpipe("--version")
    assert (ended.status, ended.err, ended.out) == (0, "", f"vidpipe {vidpipe.__version__}\n")
    project = tomllib.loads((Path(vidpipe.__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert vidpipe.__version__ == project["version"]


def test_check_of_a_sound_pipeline(shell):
    shell.write("two.yaml", TWO_TIERS)
    ended = shell.vidpipe("check", "two.yaml")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.splitlines()[0] == "two: ok"
    assert [line.split()[:3] for line in ended.out.splitlines()[2:]] == [
        ["difference", "difference", "device"],
        ["read", "mystages:Read", "edge"],
    ]


def test_check_opens_no_source(shell):
    """A camera that is away, or a file that is damaged, is no mistake of the pipeline."""
    shell.write("read.yaml", READ)
    damaged = shell.write("damaged.mp4", "no video")
    assert shell.vidpipe("check", "read.yaml", "--source", damaged).status == 0


@pytest.mark.parametrize("command", ["check", "plan", "run"])
def test_every_mistake_at_once(shell, command):
    shell.write(
        "many.yaml",
        """
classes: {person: person}
models:
  little: {path: little.xml, treshold: 0.4}
stages:
  - {id: a, type: diference}
  - {id: b, type: detect, on: edg, model: litle, accept: {persn: 0.5}}
  - {id: c, type: detect, on: cloud, model: little, acept: 0.5}
""".lstrip(),
    )
    ended = shell.vidpipe(command, "many.yaml")
    assert ended.status == 2
    assert not ended.out
    said = ended.err.removeprefix("vidpipe: ").splitlines()
    expected = [
        ("many.yaml:3: models.little: ", "did you mean 'threshold'?"),
        ("many.yaml:5: stages.a: unknown stage type 'diference'", "did you mean 'difference'?"),
        ("many.yaml:6: stages.b.on: ", "did you mean 'edge'?"),
        ("many.yaml:6: stages.b.model: there is no model 'litle'", "did you mean 'little'?"),
        ("many.yaml:6: stages.b.accept.persn: there is no class 'persn'", "did you mean 'person'?"),
        ("many.yaml:7: stages.c: unknown field 'acept'", "did you mean 'accept'?"),
    ]
    for start, end in expected:
        assert [line for line in said if line.startswith(start) and line.endswith(end)], (start, said)
    assert len(said) == len(expected) + (any("little.xml" in line for line in said))


def test_plan(shell):
    shell.write("two.yaml", TWO_TIERS)
    ended = shell.vidpipe("plan", "two.yaml")
    assert (ended.status, ended.err) == (0, "")
    rows = [line.split() for line in ended.out.splitlines()]
    assert ["device", "device,", "edge", "1", "sources,", "difference,"] in [row[:6] for row in rows]
    assert any(row[:5] == ["device-edge", "jpeg", "70,", "full", "size"] for row in rows)


def test_the_plan_of_sites_says_what_will_stand_where(shell):
    shell.write("two.yaml", TWO_TIERS)
    at = {"a": "north", "b": "north", "c": "south"}
    streams = [f"  {name}: {{url: {name}.mp4, at: {site}}}" for name, site in at.items()]
    shell.write("sites.yaml", "\n".join(["streams:", *streams, "  d: {url: d.mp4}", "streams_per_actor: 1"]))
    ended = shell.vidpipe("plan", "two.yaml", "--config", "sites.yaml")
    assert (ended.status, ended.err) == (0, "")
    _, _, table = ended.out.partition("\non a cluster\n")
    rows = [re.split(r"  +", line.strip()) for line in table.splitlines()]
    assert rows[1:7] == [
        ["north/device", "device, of north", "2", "a; b"],
        ["south/device", "device, of south", "1", "c"],
        ["device", "device", "1", "d"],
        ["north/edge", "edge, of north", "1 a machine, 2 at most", "a; b"],
        ["south/edge", "edge, of south", "1", "c"],
        ["edge", "edge", "1", "d"],
    ]
