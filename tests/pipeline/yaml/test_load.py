"""What a good pipeline becomes, and where one is looked for."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import GOOD, Write
from vidpipe.cascade.audit import AuditSpec
from vidpipe.core.errors import ConfigError
from vidpipe.models.base import ModelSpec
from vidpipe.pipeline.spec import LinkSpec, Pipeline, PlacedStage, Stream, Tier
from vidpipe.pipeline.yaml import find_pipeline, load
from vidpipe.pipeline.yaml.diagnostics import InvalidPipelineError
from vidpipe.sources.base import StreamSpec
from vidpipe.stages.detect.detect import Detect, DetectConfig
from vidpipe.stages.difference.difference import Difference, DifferenceConfig

SURE = {"person": 0.6, "vehicle": 0.5}


def test_a_good_file_gives_the_pipeline_that_it_describes(write: Write, folder: Path) -> None:
    pipeline = load(write(GOOD, "there/street.yaml"))
    assert pipeline.classes.mapping == {"person": ("person",), "vehicle": ("car", "bus")}
    assert pipeline == Pipeline(
        name="street",
        classes=pipeline.classes,
        models={
            "little": ModelSpec(path="yolo11n", threshold={"person": 0.4}),
            "big": ModelSpec(path="yolo11m", size=640),
        },
        stages=(
            PlacedStage("difference", Difference, DifferenceConfig(threshold=20)),
            PlacedStage("little", Detect, DetectConfig(model="little", accept=SURE), Tier.EDGE),
            PlacedStage("big", Detect, DetectConfig(model="big"), Tier.CLOUD),
        ),
        streams={
            "gate": Stream(
                StreamSpec(url="gate.mp4", stages={"little": {"accept": 0.8}}),
                {"little": DetectConfig(model="little", accept=0.8)},
            )
        },
        audit=AuditSpec(rate=0.02),
        links={"device-edge": LinkSpec(credit_frames=4)},
        ahead=2,
        search_paths=(str(folder / "there"), str(folder)),
    )


def test_a_pipeline_pickles(write: Write) -> None:
    pipeline = load(write(GOOD))
    again = pickle.loads(pickle.dumps(pipeline))
    assert (again.stages, again.streams, again.models) == (pipeline.stages, pipeline.streams, pipeline.models)


def test_the_least_pipeline_has_the_defaults(write: Write) -> None:
    text = "models: {m: {path: yolo11n}}\nstages: [{id: look, type: detect, model: m}]\n"
    pipeline = load(write(text, "least.yaml"))
    assert (pipeline.name, pipeline.audit, pipeline.ahead, pipeline.late) == ("least", AuditSpec(), 0, None)
    assert (pipeline.classes.names, pipeline.streams, pipeline.streams_per_actor) == ((), {}, None)
    assert pipeline.stages == (PlacedStage("look", Detect, DetectConfig(model="m"), Tier.DEVICE, isolate=False),)


def test_the_configuration_counts_where_both_files_say_something(write: Write) -> None:
    config = """
streams:
  gate: {start_s: 5}
  yard: {url: yard.mp4}
links:
  device-edge: {codec: jpeg}
  edge-cloud: {batch_frames: 2}
streams_per_actor: 3
"""
    pipeline = load(write(GOOD), config=write(config, "here.yaml"))
    assert {name: (stream.spec.url, stream.spec.start_s) for name, stream in pipeline.streams.items()} == {
        "gate": ("gate.mp4", 5),
        "yard": ("yard.mp4", 0),
    }
    assert pipeline.links == {
        "device-edge": LinkSpec(codec="jpeg", credit_frames=4),
        "edge-cloud": LinkSpec(batch_frames=2),
    }
    assert pipeline.streams_per_actor == 3


def test_sources_add_streams_and_the_url_of_one_that_has_none(write: Write) -> None:
    config = write("streams: {yard: {end_s: 9}}\n", "here.yaml")
    streams = load(write(GOOD), config=config, sources={"yard": "yard.mp4", "door": "door.mp4"}).streams
    assert [(name, stream.spec.url) for name, stream in streams.items()] == [
        ("gate", "gate.mp4"),
        ("yard", "yard.mp4"),
        ("door", "door.mp4"),
    ]
    assert streams["yard"].spec.end_s == 9


def test_what_is_asked_of_all_streams_goes_behind_what_one_says_itself(write: Write) -> None:
    text = GOOD.replace("url: gate.mp4", "url: gate.mp4, floor: 0.8")
    streams = load(write(text), sources={"door": "door.mp4"}, floor=0.95, want="count").streams
    assert {name: (each.spec.floor, each.spec.want) for name, each in streams.items()} == {
        "gate": (0.8, "count"),
        "door": (0.95, "count"),
    }
    assert load(write(GOOD)).streams["gate"].spec.floor is None


def test_a_floor_that_cannot_be_is_said_by_its_option(write: Write) -> None:
    with pytest.raises(InvalidPipelineError, match=r"--floor: streams\.gate\.floor: must be less than 1, not 2"):
        load(write(GOOD), floor=2)


SETS = [
    ("stages.difference.threshold=12.5", lambda pipeline: pipeline.stages[0].config.threshold, 12.5),
    ("stages.little.accept.person=0.9", lambda pipeline: pipeline.stages[1].config.accept, {**SURE, "person": 0.9}),
    ("stages.little.accept={person: 0.9}", lambda pipeline: pipeline.stages[1].config.accept, {"person": 0.9}),
    ("stages.little.accept=", lambda pipeline: pipeline.stages[1].config.accept, None),
    ("stages.big.on=edge", lambda pipeline: pipeline.stages[2].tier, Tier.EDGE),
    ("stages.big.isolate=true", lambda pipeline: pipeline.stages[2].isolate, True),
    ("models.big.slicing.columns=3", lambda pipeline: pipeline.models["big"].slicing.columns, 3),
    ("audit.seed=7", lambda pipeline: pipeline.audit, AuditSpec(rate=0.02, seed=7)),
    ("late=wait", lambda pipeline: pipeline.late, "wait"),
    ("links.edge-cloud.shaper.delay_ms=20", lambda pipeline: pipeline.links["edge-cloud"].shaper.delay_ms, 20),
    ("streams.gate.url=a=b", lambda pipeline: pipeline.streams["gate"].spec.url, "a=b"),
    ("streams.door.stages.difference.threshold=1", lambda p: p.streams["door"].configs["difference"].threshold, 1),
    ("name=${env:VIDPIPE_STREET}", lambda pipeline: pipeline.name, "avenue"),
]


@pytest.mark.parametrize(("assignment", "value", "expected"), SETS)
def test_set_goes_before_the_files(
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    assignment: str,
    value: Callable[[Any], object],
    expected: object,
) -> None:
    monkeypatch.setenv("VIDPIPE_STREET", "avenue")
    assert value(load(write(GOOD), sources={"door": "door.mp4"}, sets=[assignment])) == expected


def test_fields_of_a_stage_of_its_own_may_differ_by_stream_though_they_are_no_knobs(write: Write) -> None:
    text = GOOD.replace("little: {accept: 0.8}", "difference: {blocks: 4}")
    assert load(write(text)).streams["gate"].configs == {"difference": DifferenceConfig(threshold=20, blocks=4)}


def test_a_link_between_actors_of_one_tier_has_settings_too(write: Write) -> None:
    text = GOOD.replace("type: difference,", "type: difference, isolate: true,").replace("device-edge", "device-device")
    assert load(write(text)).links == {"device-device": LinkSpec(credit_frames=4)}


def test_a_stream_whose_pictures_stay_may_be_watched_on_the_device(write: Write) -> None:
    text = GOOD.replace("device-edge: {credit_frames: 4}", "{}")
    text = text.replace("on: edge", "on: device").replace("on: cloud", "on: device")
    text = text.replace("url: gate.mp4", "url: gate.mp4, leaves_device: never")
    assert load(write(text)).streams["gate"].spec.leaves_device == "never"


def test_a_name_is_looked_up_here_then_among_those_of_vidpipe(write: Write) -> None:
    shipped = find_pipeline("pair")
    assert (shipped.name, shipped.parent.name, shipped.is_absolute()) == ("pair.yaml", "pipelines", True)
    own = write(GOOD, "pipelines/pair.yaml")
    assert find_pipeline("pair").resolve() == own
    assert find_pipeline(str(own)) == own


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("streat", "no pipeline 'streat' in ./pipelines or among those of vidpipe; did you mean 'street'?"),
        ("mine", "no pipeline 'mine' in ./pipelines or among those of vidpipe; did you mean 'mine2'?"),
        ("street.yml", "pipeline street.yml: no such file"),
        ("pipelines/street", "pipeline pipelines/street: no such file"),
    ],
)
def test_an_unknown_pipeline_is_refused_with_the_nearest(write: Write, name: str, message: str) -> None:
    write(GOOD, "pipelines/mine2.yaml")
    with pytest.raises(ConfigError) as error:
        load(name)
    assert str(error.value) == message


SITES = """
streams:
  gate: {at: north}
  yard: {at: north, url: yard.mp4}
  road: {at: south, url: road.mp4}
  free: {url: free.mp4}
sites:
  north: {stages: {little: {accept: 0.3, explore: 0.2}, difference: {threshold: 40}}}
  south: {cloud: own}
"""


def test_a_stream_has_the_settings_of_its_site_under_its_own(write: Write) -> None:
    pipeline = load(write(GOOD), config=write(SITES, "sites.yaml"))
    little = {name: stream.configs.get("little") for name, stream in pipeline.streams.items()}
    assert little == {
        "gate": DetectConfig(model="little", accept=0.8, explore=0.2),  # its own `accept`
        "yard": DetectConfig(model="little", accept=0.3, explore=0.2),
        "road": None,
        "free": None,
    }
    assert [name for name, stream in pipeline.streams.items() if "difference" in stream.configs] == ["gate", "yard"]
    assert [pipeline.site(name) for name in ("gate", "yard", "road", "free")] == ["north", "north", "south", ""]
    assert pipeline.own_clouds == {"south"}


@pytest.mark.parametrize(
    ("good", "bad", "expected"),
    [
        ("at: south", "at: suoth", "sites.yaml:5: streams.road.at: there is no site 'suoth'; did you mean 'south'?"),
        ("{at: south, url", "{url", "sites.yaml:9: sites.south: no stream is at this site; did you mean 'north'?"),
        ("at: south", "at: '-s'", "sites.yaml:5: streams.road.at: must be of the form "),
        (
            "explore: 0.2",
            "explor: 0.2",
            "sites.yaml:8: sites.north.stages.little: unknown field 'explor'; did you mean",
        ),
        ("little: {acc", "litle: {acc", "sites.yaml:8: sites.north.stages: there is no stage 'litle'; did you mean"),
        ("cloud: own", "cloud: mine", "sites.yaml:9: sites.south.cloud: must be 'common' or 'own', not 'mine'"),
        (
            "accept: 0.3",
            "model: litle",
            "sites.yaml:8: sites.north.stages.little.model: there is no model 'litle'; did",
        ),
        ("cloud: own", "clouds: own", "sites.yaml:9: sites.south: unknown field 'clouds'; did you mean 'cloud'?"),
    ],
)
def test_a_slip_about_sites_is_told_at_its_line(write: Write, good: str, bad: str, expected: str) -> None:
    assert good in SITES
    with pytest.raises(InvalidPipelineError) as error:
        load(write(GOOD), config=write(SITES.replace(good, bad), "sites.yaml"))
    assert [str(mistake)[: len(expected)] for mistake in error.value.mistakes] == [expected]
