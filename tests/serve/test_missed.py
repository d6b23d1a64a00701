"""What was missed, and what people do about it. What must hold:

- a frame on which an audit found an answer wrong is shown with what the last stage saw in it, early or late;
- one step of a setting is an epoch with its reason; of two who take it at once one is told;
- an audit in which the last stage was wrong is left out of the miss rate, counted apart, and once;
- what people said of it outlives the run where that has a store, and is forgotten where it has none.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.serve import cams
from tests.serve.conftest import PIPELINE, Browser, grey_of
from tests.waiting import until
from vidpipe.cli.commands.events import Filter, show_verdicts
from vidpipe.core.errors import ConfigError
from vidpipe.core.settings import with_values
from vidpipe.results.ledger import AuditCount
from vidpipe.results.store.sink import StoreConfig, StoreSink
from vidpipe.stages.detect.detect import DetectConfig
from vidpipe.stages.detect.select import SelectConfig
from vidpipe.stages.difference.difference import DifferenceConfig
from vidpipe.stages.gate.gate import GateConfig
from vidpipe.stages.sample import SampleConfig
from vidpipe.stages.track.track import TrackConfig

LAX = {"id": "lax", "type": "tests.serve.cams:Lax"}


@pytest.fixture(params=["wait", "detour"])
def served(serve, request):
    """A stage that is always wrong, and audited; its answers are waited for, or published before."""
    served = serve(
        "gate",
        "yard",
        more={
            "stages": [LAX, {**PIPELINE["stages"][0], "on": "edge"}],
            "audit": {"rate": 1, "max_unchecked_s": None},
            "late": request.param,
        },
    )
    served.show(10, 60, 90)  # what is late is told with the result behind it
    until(lambda: row_of(served)["audited"] == 3 and {*missed(served)} >= {0, 1})
    until(lambda: all(row["picture"] for row in missed(served).values()))
    return served


def missed(served):
    """By frame."""
    return {row["seq"]: row for row in served.browser.get("/api/missed", stream="gate").json}


def row_of(served):
    return served.browser.get("/api/funnel").json["streams"]["gate"][0]


def test_the_frame_is_shown_with_what_the_last_stage_saw(served):
    for seq, grey in ((0, 10), (1, 60)):
        row = missed(served)[seq]
        assert (row["stage"], row["missed"], row["found"]) == ("lax", True, 1)
        answer = served.browser.get("/api/missed/picture", stream="gate", seq=seq)
        assert abs(grey_of(answer.body) - grey) <= 1
        told = json.loads(answer.headers["x-vidpipe-boxes"])
        assert told["size"] == [128, 96]
        assert told["boxes"] == [[grey, 20, grey + 8, 60, "person", 0.9, 7]]
    assert served.browser.get("/api/missed/picture", stream="gate", seq=7).status == 404
    assert served.browser.get("/api/missed/picture", stream="nobody", seq=1).status == 404


def test_one_step_to_caution_is_an_epoch_with_its_reason(served):
    assert missed(served)[0]["loosened"] == {"trust": 0.5}
    assert served.browser.post("/api/loosen", {"stream": "gate", "stage": "lax"}).json["streams"] == ["gate"]
    (epoch,) = served.run.epochs
    assert (epoch.by, epoch.changes) == ("page", {"lax": {"trust": 0.5}})
    assert "an audit found an answer of lax wrong" in epoch.reason
    assert missed(served)[0]["loosened"] == {}
    answer = served.browser.post("/api/loosen", {"stream": "gate", "stage": "lax"})
    assert (answer.status, "no setting that one step loosens" in answer.json["error"]) == (400, True)
    assert served.browser.post("/api/loosen", {"stream": "gate", "stage": "no such"}).status == 400


def test_an_audit_in_which_the_last_stage_was_wrong_is_left_out_and_counted_apart(served):
    assert (row_of(served)["audited"], row_of(served)["rate"]) == (3, 1.0)
    asked = {"stream": "gate", "stage": "lax", "seq": 1}
    assert served.browser.post("/api/relabel", asked).json["relabelled_by"] == "page"
    row = row_of(served)
    assert (row["audited"], row["missed"], row["relabelled"], row["rate"]) == (3, 3, 1, 1.0)
    assert [missed(served)[seq]["relabelled_by"] for seq in (0, 1)] == [None, "page"]
    again = served.browser.post("/api/relabel", asked)
    assert (again.status, "page has said so already" in again.json["error"]) == (409, True)
    served.browser.post("/api/relabel", {**asked, "seq": 0})
    assert (row_of(served)["relabelled"], row_of(served)["rate"]) == (2, 1.0)
    assert served.browser.post("/api/relabel", {**asked, "seq": 7}).status == 400
    assert served.run.status().streams["gate"].audits["lax"]["relabelled"] == 2


def test_a_viewer_does_neither(served, users):
    users.add_user("eve", "correct horse", "viewer", ["yard"])
    browser = Browser(served.port)
    browser.post("/api/session", {"name": "eve", "password": "correct horse"})
    assert browser.get("/api/missed/picture", stream="gate", seq=1).status == 404
    for what in ("loosen", "relabel"):
        assert browser.post(f"/api/{what}", {"stream": "gate", "stage": "lax", "seq": 1}).status in (403, 422)


@given(missed=st.integers(0, 20), right=st.integers(0, 20), data=st.data())
def test_law_what_is_relabelled_is_as_if_it_had_not_been_audited(missed, right, data):
    out = data.draw(st.integers(0, missed))
    told = AuditCount(missed + right, missed, 0, relabelled=out, relabelled_missed=out).report()
    without = AuditCount(missed + right - out, missed - out).report()
    assert [told[name] for name in ("rate", "low", "high")] == [without[name] for name in ("rate", "low", "high")]
    assert (told["audited"], told["missed"], told.get("relabelled", 0)) == (missed + right, missed, out)


CONFIGS = [
    DifferenceConfig(),
    DifferenceConfig(threshold=0),
    DifferenceConfig(scene="a.scene"),
    TrackConfig(),
    TrackConfig(floor=0.9),
    TrackConfig(agreement=0.8),
    TrackConfig(refresh_s=0),
    DetectConfig(model="m"),
    DetectConfig(model="m", accept=0.5),
    DetectConfig(model="m", accept={"person": 0.5, "bike": 0.9}),
    DetectConfig(model="m", agreement=0.9, budget=0.3),
    DetectConfig(model="m", budget=0.3),
    DetectConfig(model="m", at_least=4),
    SelectConfig(models=["m"]),
    SampleConfig(fps=5),
    SampleConfig(fps=999),
    GateConfig(),
    GateConfig(low=0.2),
    GateConfig(filter_degree=1.0),
]


@pytest.mark.parametrize("config", CONFIGS, ids=repr)
def test_law_each_step_is_one_that_may_be_taken_and_steps_come_to_an_end(config):
    """Each changes knobs alone, to values that are allowed; whoever goes on clicking ends where no step is left."""
    for _ in range(300):
        step = config.loosened()
        if not step:
            return
        for name in step:
            assert type(config).model_fields[name].json_schema_extra["knob"]
        fresh = with_values(config, step)
        if fresh == config:
            return
        config = fresh
    raise AssertionError(f"it never ends: {config}")


def test_what_people_said_outlives_the_run_in_its_store(serve, tmp_path, capfd):
    path = tmp_path / "yard.db"

    def run(**more):
        cams.shown.clear()  # where the camera of an earlier run has found its end
        served = serve(
            sinks=[StoreSink(StoreConfig(path=str(path)))],
            more={"stages": [LAX, *PIPELINE["stages"]], "audit": {"rate": 1, "max_unchecked_s": None}},
            **more,
        )
        served.show(10, 60)
        return served

    served = run(store=path)
    answer = served.browser.post("/api/relabel", {"stream": "gate", "stage": "lax", "seq": 1}).json
    assert answer["kept"] is True
    again = served.browser.post("/api/relabel", {"stream": "gate", "stage": "lax", "seq": 1})
    assert again.status == 409
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        locked = served.browser.post("/api/relabel", {"stream": "gate", "stage": "lax", "seq": 0})
    assert (locked.status, "is locked by another program" in locked.json["error"]) == (400, True)
    assert row_of(served)["relabelled"] == 1  # nothing has changed
    served.run.stop()
    served.run.join(10)
    later = run(store=path)
    later.browser.post("/api/relabel", {"stream": "gate", "stage": "lax", "seq": 1})
    newest, oldest = later.browser.get("/api/verdicts", stream="gate").json["verdicts"]
    assert newest["run"] > oldest["run"]
    assert (oldest["by"], oldest["stage"], oldest["seq"], oldest["missed"]) == ("page", "lax", 1, True)
    assert later.browser.get("/api/verdicts", stream="yard").json["verdicts"] == []
    assert show_verdicts(Filter(store=path), "json", None, others=False) == 0
    assert [json.loads(line)["seq"] for line in capfd.readouterr().out.splitlines()] == [1, 1]
    with pytest.raises(ConfigError, match="goes with --since"):
        show_verdicts(Filter(store=path, zone="yard"), "json", None, others=False)
    later.run.stop()
    later.run.join(10)
    forgotten = run()
    answer = forgotten.browser.post("/api/relabel", {"stream": "gate", "stage": "lax", "seq": 1}).json
    assert answer["kept"] is False
