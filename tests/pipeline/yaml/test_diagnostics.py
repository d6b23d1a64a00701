"""Every kind of mistake, as what was written in place of a good line and what is said of it."""

from pathlib import Path

import pytest

from tests.pipeline.conftest import GOOD, Write
from vidpipe.pipeline.yaml import InvalidPipelineError, load

FIELDS = [
    ("threshold: 20", "treshold: 20", "9: stages.difference: unknown field 'treshold'; did you mean 'threshold'?"),
    ("accept: {person", "isolat: {person", "10: stages.little: unknown field 'isolat'; did you mean 'isolate'?"),
    ("ahead: 2", "ahed: 2", "17: unknown field 'ahed'; did you mean 'ahead'?"),
    ("rate: 0.02", "rates: 0.02", "12: audit: unknown field 'rates'; did you mean 'rate'?"),
    ("size: 640", "siz: 640", "7: models.big: unknown field 'siz'; did you mean 'size'?"),
    (
        "{credit_frames: 4}",
        "{shaper: {delay: 4}}",
        "16: links.device-edge.shaper: unknown field 'delay'; did you mean 'delay_ms'?",
    ),
    ("rate: 0.02", "colour: red", "12: audit: unknown field 'colour'; there is max_age_s, max_unchecked_s, rate, seed"),
    ("type: difference, ", "", "9: stages.difference: field 'type' is missing"),
    ("id: big, ", "", "11: stages.2: field 'id' is missing"),
    ("model: big", "isolate: true", "11: stages.big: field 'model' is missing"),
    ("url: gate.mp4, ", "", "14: streams.gate: field 'url' is missing: write it here, or give --source NAME=URL"),
]
VALUES = [
    (
        "url: gate.mp4",
        "url: sftp://ann:secret@192.0.2.1/x",
        "14: streams.gate.url: addresses of kind sftp:// cannot be read; give http, https, rtsp, rtsps",
    ),
    (
        "url: gate.mp4",
        "url: gate.mp4, record_url: rtsp://ann:secret@/x",
        "14: streams.gate.record_url: the address of a camera must be of the form rtsp://user:password@host:port/path",
    ),
    (
        "{credit_frames: 4}",
        "{adapt: true}",
        "16: links.device-edge: adapt: pictures have one size under codec: raw; write codec: jpeg or webp",
    ),
    ("{credit_frames: 4}", "{rungs: [{share: 0.5}]}", "16: links.device-edge: rungs are for a link with adapt: true"),
    (
        "{credit_frames: 4}",
        "{shaper: {trace: [[3, 1], [1, 2]]}}",
        "16: links.device-edge.shaper.trace: each rate must begin later than the one before it",
    ),
    ("url: gate.mp4", "url: gate.mp4, floor: 1", "14: streams.gate.floor: must be less than 1, not 1"),
    ("url: gate.mp4", "url: gate.mp4, floor: 0", "14: streams.gate.floor: must be more than 0, not 0"),
    ("url: gate.mp4", "url: gate.mp4, floor: high", "14: streams.gate.floor: must be a number, not 'high'"),
    (
        "url: gate.mp4",
        "url: gate.mp4, want: box",
        "14: streams.gate.want: must be 'boxes', 'presence' or 'count', not 'box'; did you mean 'boxes'?",
    ),
    ("url: gate.mp4", "url: gate.mp4, flor: 0.9", "14: streams.gate: unknown field 'flor'; did you mean 'floor'?"),
    ("rate: 0.02", "rate: 2", "12: audit.rate: must be at most 1, not 2"),
    ("rate: 0.02", "max_unchecked_s: 0", "12: audit.max_unchecked_s: must be more than 0, not 0"),
    ("threshold: 20", "threshold: much", "9: stages.difference.threshold: must be a number, not 'much'"),
    ("threshold: 20", "blocks: 1.5", "9: stages.difference.blocks: must be a whole number, not 1.5"),
    ("threshold: 20", "isolate: maybe", "9: stages.difference.isolate: must be true or false, not 'maybe'"),
    ("ahead: 2", "ahead: [2]", "17: ahead: must be a whole number, not a list"),
    ("ahead: 2", "ahead:", "17: ahead: must be a whole number, not null"),
    ("{rate: 0.02}", "often", "12: audit: must be a mapping, not 'often'"),
    ("person: person", "person: 3", "3: classes.person: must be text or a list, not 3"),
    ("person: person", "person: []", "3: classes.person: must hold at least 1, not 0"),
    ("[car, bus]", "[car, 3]", "4: classes.vehicle.1: must be text, not 3"),
    ("{person: 0.4}", "{person: 4}", "6: models.little.threshold.person: must be at most 1, not 4"),
    ("{person: 0.4}", "high", "6: models.little.threshold: must be a number or a mapping, not 'high'"),
    ("size: 640", "size: [640, 480, 3]", "7: models.big.size: must hold at most 2, not 3"),
    (
        "size: 640",
        "family: yol",
        "7: models.big.family: must be 'yolo', 'yolox', 'ssd', 'atss', 'tfod' or 'embedder', "
        "not 'yol'; did you mean 'yolo'?",
    ),
    ("id: difference", "id: 1st", "9: stages.1st.id: must be a letter, then letters, digits, '-' and '_'"),
    (
        "id: difference",
        "id: source",
        "9: stages.source.id: 'source' stands in results for answers that no stage gave: take another id",
    ),
    ("ahead: 2", "late: never", "17: late: must be 'wait' or 'detour', not 'never'"),
    (
        "url: gate.mp4",
        "url: gate.mp4, mask: [[[0, 0], [0, 2], [1, 1]]]",
        "14: streams.gate.mask.0.1.1: must be at most 1, not 2",
    ),
    (
        "url: gate.mp4",
        "url: gate.mp4, zones: {door: [[0, 0], [0, 1]]}",
        "14: streams.gate.zones.door: must hold at least 3, not 2",
    ),
]
NAMES = [
    (
        "type: difference",
        "type: diference",
        "9: stages.difference: unknown stage type 'diference'; did you mean 'difference'?",
    ),
    (
        "type: difference",
        "type: xyz",
        "9: stages.difference: unknown stage type 'xyz'; there is cache, detect, "
        "difference, gate, regions, sample, select, track; "
        "your own is written package.module:Class",
    ),
    (
        "on: edge",
        "on: egde",
        "10: stages.little.on: must be 'device', 'edge' or 'cloud', not 'egde'; did you mean 'edge'?",
    ),
    ("model: little", "model: litle", "10: stages.little.model: there is no model 'litle'; did you mean 'little'?"),
    (
        "{person: 0.6",
        "{persn: 0.6",
        "10: stages.little.accept.persn: there is no class 'persn'; did you mean 'person'?",
    ),
    (
        "{person: 0.4}",
        "{car: 0.4}",
        "6: models.little.threshold.car: there is no class 'car'; there is person, vehicle",
    ),
    ("[car, bus]", "[lorry, buss]", "4: classes.vehicle: no model knows 'lorry' or 'buss'; nearest: "),
    ("[car, bus]", "[car, person]", "4: classes.vehicle: 'person' stands under 'person' already"),
    ("path: yolo11n", "path: none.onnx", "6: models.little: model none.onnx: no such file in "),
    ("size: 640", "size: 650", "7: models.big: model yolo11m: size 650: each side must be a multiple of 32"),
    ("id: big", "id: little", "11: stages.little: another stage has the id 'little' already: street.yaml:10"),
    (
        "device-edge",
        "device-egde",
        "16: links.device-egde: this pipeline has no such link; did you mean 'device-edge'?",
    ),
    ("device-edge", "all", "16: links.all: this pipeline has no such link; there is device-edge, edge-cloud"),
]
ORDER = [
    (
        "on: cloud",
        "on: device",
        "11: stages.big.on: 'device' after 'edge': frames never go back up; write 'edge', or move it",
    ),
    (
        "{id: big, type: detect, on: cloud, model: big}",
        "{id: rate, type: sample, fps: 1, on: cloud}",
        "11: stages.rate: type 'sample' passes frames on: the last stage must answer all, as detect does",
    ),
]
STREAMS = [
    (
        "{little: {accept",
        "{litle: {accept",
        "14: streams.gate.stages: there is no stage 'litle'; did you mean 'little'?",
    ),
    (
        "{little: {accept",
        "{little: {acept",
        "14: streams.gate.stages.little: unknown field 'acept'; did you mean 'accept'?",
    ),
    ("accept: 0.8", "accept: 8", "14: streams.gate.stages.little.accept: must be at most 1, not 8"),
    (
        "accept: 0.8",
        "accept: {cat: 0.8}",
        "14: streams.gate.stages.little.accept.cat: there is no class 'cat'; there is person, vehicle",
    ),
    (
        "url: gate.mp4",
        "url: gate.mp4, leaves_device: never",
        "14: streams.gate.leaves_device: 'never', but stage 'little' "
        "on edge is sent whole frames: put it on device, or write 'frames'",
    ),
    (
        "url: gate.mp4",
        "url: gate.mp4, leaves_device: crops",
        "14: streams.gate.leaves_device: 'crops', but stage 'little' "
        "on edge is sent whole frames: put it on device, or write 'frames'",
    ),
]


@pytest.mark.parametrize(("good", "bad", "expected"), FIELDS + VALUES + NAMES + ORDER + STREAMS)
def test_one_mistake_gives_one_line(write: Write, good: str, bad: str, expected: str) -> None:
    assert GOOD.count(good) == 1
    [line] = mistakes(write(GOOD.replace(good, bad)))
    assert line.startswith(f"street.yaml:{expected}")


SETS = [
    (
        "stages.little.acept=0.4",
        "--set stages.little.acept: stages.little: unknown field 'acept'; did you mean 'accept'?",
    ),
    ("stages.little.accept=4", "--set stages.little.accept: stages.little.accept: must be at most 1, not 4"),
    ("stages.litle.accept=0.4", "--set stages.litle.accept: 'stages' has no 'litle'; did you mean 'little'?"),
    ("little.accept=0.4", "--set little.accept: there is no field 'little'; did you mean 'stages.little.accept'?"),
    ("big.path=yolo11x", "--set big.path: there is no field 'big'; did you mean 'stages.big.path'?"),
    (
        "audits.rate=1",
        "--set audits.rate: there is no field 'audits'; did you mean 'audit'?; "
        "write stages.ID.FIELD=VALUE, as stages.little.accept=0.4",
    ),
    ("audit.rat=1", "--set audit.rat: audit: unknown field 'rat'; did you mean 'rate'?"),
    ("models.big.siz=1", "--set models.big.siz: models.big: unknown field 'siz'; did you mean 'size'?"),
    (f"late={'[' * 100}", "--set late: stands more than 40 levels deep: no pipeline does"),
    (f"ahead={'7' * 5000}", "--set ahead: a number of more than 20 digits"),
    ("models.small.size=320", "--set models.small.size: 'models' has no 'small'; there is big, little"),
    ("streams.gat.start_s=3", "--set streams.gat.start_s: 'streams' has no 'gat'; did you mean 'gate'?"),
    ("name.of=x", "--set name.of: 'name' is a single value: there is nothing below it"),
    ("late=[", "--set late: the value is not valid YAML: put quotes around it"),
    ("late=${env:QQ_UNHEARD_OF}", "--set late: there is no environment variable 'QQ_UNHEARD_OF'"),
    ("late", "--set late: must be of the form stages.ID.FIELD=VALUE, as stages.little.accept=0.4"),
    (
        "stages..accept=1",
        "--set stages..accept: must be of the form stages.ID.FIELD=VALUE, as stages.little.accept=0.4",
    ),
]


@pytest.mark.parametrize(("assignment", "expected"), SETS)
def test_a_mistake_on_the_command_line_names_the_option(write: Write, assignment: str, expected: str) -> None:
    assert mistakes(write(GOOD), sets=[assignment]) == [expected]


STRUCTURE = [
    ("", ["street.yaml:1: field 'stages' is missing"]),
    ("- a\n- b\n", ["street.yaml:1: must be a mapping: lines of the form `key: value`"]),
    (
        "name: [\n",
        [
            "street.yaml:2: not valid YAML: while parsing a flow node expected the node content, but found "
            "'<stream end>'"
        ],
    ),
    ("stages: []\n", ["street.yaml:1: stages: must hold at least 1, not 0"]),
    ("stages: {}\n", ["street.yaml:1: stages: must be a list, not a mapping"]),
    ("stages:\n  - detect\n", ["street.yaml:2: stages.0: must be a mapping, not 'detect'"]),
    (GOOD.replace("ahead: 2", "name: avenue"), ["street.yaml:17: name: written twice: first in line 1"]),
    (
        GOOD.replace("size: 640", "size: 640, size: 320"),
        ["street.yaml:7: models.big.size: written twice: first in line 7"],
    ),
    (
        GOOD.replace("name: street", "name: !!python/name:os x"),
        ["street.yaml:1: name: tags such as 'tag:yaml.org,2002:python/name:os' mean nothing here: leave it out"],
    ),
    (
        GOOD.replace("[car, bus]", "&again [*again]"),
        [
            "street.yaml:4: classes.vehicle.0: an alias (*) stands inside of what it refers to",
            "street.yaml:4: classes.vehicle.0: must be text, not null",
        ],
    ),
]


@pytest.mark.parametrize(("text", "expected"), STRUCTURE)
def test_a_file_that_is_no_pipeline(write: Write, text: str, expected: list[str]) -> None:
    assert mistakes(write(text)) == expected


def test_all_mistakes_come_at_once_in_the_order_in_which_they_were_written(write: Write) -> None:
    bad = GOOD
    for good, spoilt in [
        ("name:", "nam:"),
        ("yolo11m", "no.xml"),
        ("on: edge", "on: sea"),
        ("0.02", "7"),
        ("2\n", "-2\n"),
    ]:
        bad = bad.replace(good, spoilt)
    config = write("streams: {yard: {}}\nlinks: {edge-cloud: {codec: png}}\nclasses: {}\n", "here.yaml")
    found = mistakes(write(bad), config=config, sources={"gate": "other.mp4"}, sets=["x=1", "stages.big.on=see"])
    assert [line.split(": ")[0] for line in found] == [
        "street.yaml:1",
        "street.yaml:7",
        "street.yaml:10",
        "street.yaml:12",
        "street.yaml:17",
        "here.yaml:1",
        "here.yaml:2",
        "here.yaml:3",
        "--source gate",
        "--set x",
        "--set stages.big.on",
    ]


def test_the_configuration_says_nothing_of_what_is_done(write: Write) -> None:
    config = write("stages: []\nstreams: {}\n", "here.yaml")
    expected = "here.yaml:1: stages: belongs in the pipeline file, not in the configuration"
    assert mistakes(write(GOOD), config=config) == [expected]


def test_files_that_cannot_be_read_are_all_named(write: Write, folder: Path) -> None:
    (folder / "street.yaml").write_bytes(b"name: \xff\xfe\n")
    assert mistakes(folder / "street.yaml", config=folder / "none.yaml") == [
        "street.yaml: is not text in UTF-8",
        "none.yaml: cannot be read: No such file or directory",
    ]


def test_a_source_cannot_take_the_name_of_a_stream_that_has_a_url(write: Write) -> None:
    assert mistakes(write(GOOD), sources={"gate": "other.mp4"}) == [
        "--source gate: streams.gate: has a url already (street.yaml:14): take another name, or --set "
        "streams.gate.url=..."
    ]


def test_a_link_in_a_pipeline_that_stays_in_one_place(write: Write) -> None:
    text = "stages: [{id: d, type: detect, model: m}]\nmodels: {m: {path: yolo11n}}\nlinks: {device-edge: {}}\n"
    assert mistakes(write(text)) == [
        "street.yaml:3: links.device-edge: this pipeline has no such link: all of it runs in one place"
    ]


def test_several_models_without_classes_must_know_the_same_ones(write: Write) -> None:
    text = """
models: {a: {path: yolo11n}, b: {path: yolo11m, names: [face]}}
stages: [{id: d, type: detect, model: a, accept: {person: 0.4}}, {id: e, type: detect, model: b}]
"""
    assert mistakes(write(text)) == ["street.yaml:1: field 'classes' is missing: models a, b know different ones"]


def test_without_classes_those_of_the_model_count(write: Write) -> None:
    text = "models: {m: {path: yolo11n}}\nstages: [{id: d, type: detect, model: m, accept: {persn: 0.4, car: 0.4}}]\n"
    assert mistakes(write(text)) == [
        "street.yaml:2: stages.d.accept.persn: there is no class 'persn'; did you mean 'person'?"
    ]


SECRET = "rtsp://admin:hunter2@192.0.2.1/x"
LEAKS = [
    ("url: gate.mp4", f"url: [{SECRET!r}]"),
    ("url: gate.mp4", f"url: gate.mp4, url: {SECRET!r}"),
    ("url: gate.mp4", f"ulr: {SECRET!r}"),
    ("{url: gate.mp4, stages: {little: {accept: 0.8}}}", repr(SECRET)),
    ("size: 640", f"size: {SECRET!r}"),
    ("ahead: 2", "ahead: ${env:VIDPIPE_PASSWORD}"),
    ("ahead: 2", f"ahead: 2\n{SECRET} : ]"),
    ("ahead: 2", f"ahead: 'x {SECRET}"),
]


@pytest.mark.parametrize(("good", "bad"), LEAKS)
def test_no_message_holds_a_credential(write: Write, monkeypatch: pytest.MonkeyPatch, good: str, bad: str) -> None:
    monkeypatch.setenv("VIDPIPE_PASSWORD", "hunter2")
    options = {"sources": {"gate": SECRET}, "sets": [f"streams.gate.url:{SECRET}"]}
    assert not any("hunter2" in line for line in mistakes(write(GOOD.replace(good, bad)), **options))


def mistakes(pipeline: Path, **options: object) -> list[str]:
    with pytest.raises(InvalidPipelineError) as error:
        load(pipeline, **options)  # type: ignore[arg-type]
    assert [str(mistake) for mistake in error.value.mistakes] == str(error.value).splitlines()
    return str(error.value).splitlines()
