"""What the page's API tells of a run, and changes of it. What must hold:

- it tells what the run itself tells, whatever streams are called;
- a picture comes with the boxes of the very same frame;
- edits of different things are both kept, and of the same thing the later one is refused: none is lost;
- nothing that is asked or changed disturbs the run, and no credential comes out.
"""

from __future__ import annotations

import base64
import threading

import pytest

from tests.serve.conftest import PIPELINE, grey_of, messages, records, wanted
from tests.waiting import until
from vidpipe.runtime.driver.status import as_json

ODD = ("a/b", "../etc", "<b>&\"'", "straße 1 ☂", "%2F?x=1#y", "gate")


def test_status_is_that_of_the_run(serve):
    served = serve("gate", "yard")
    served.show(10, 20)
    told = served.browser.get("/api/status").json
    known = as_json(served.run.status())
    assert told["state"] == "running"
    assert {name: stream["by"] for name, stream in told["streams"].items()} == {"gate": {"sees": 2}, "yard": {}}
    for name, stream in known["streams"].items():
        assert told["streams"][name]["how"] == stream["how"]
    assert told["streams"]["gate"]["size"] == [128, 96]
    assert served.browser.get("/api/session").json["person"]["role"] == "admin"


def test_streams_may_be_called_anything(serve):
    served = serve(*ODD)
    for name in ODD:
        served.show(50, stream=name)
        assert served.browser.get("/api/rules", stream=name).json["version"] == 0
        told = picture_while_shown(served, name)
        assert told["stream"] == name
    assert {*served.browser.get("/api/funnel").json["streams"]} == {*ODD}
    assert served.browser.get("/api/picture", stream="nobody").status == 404


def test_a_picture_comes_with_the_boxes_of_the_same_frame(serve):
    served = serve()
    with served.browser.open("/api/live", stream="gate", fps=30) as answer:
        assert answer.status == 200
        gallery = served.page._shown.gallery  # noqa: SLF001
        until(lambda: gallery.channel("gate").viewers)
        came = records(answer)
        for grey in (30, 60, 90):
            until(lambda: wanted(served))
            served.show(grey)
            told, jpeg = next(came)
            assert told["boxes"] == [[grey, 20, grey + 8, 60, "person", 0.9, 7]]
            assert told["size"] == [128, 96]
            assert abs(grey_of(jpeg) - grey) <= 1
    until(lambda: not wanted(served))  # nobody looks any more: nothing is encoded
    served.show(100)


def picture_while_shown(served, stream):
    """A picture that comes while somebody waits for it."""
    got = []
    asker = threading.Thread(
        target=lambda: got.append(served.browser.get("/api/picture-and-boxes", stream=stream)), daemon=True
    )
    asker.start()
    until(lambda: stream in wanted(served))
    served.show(60, stream=stream)
    asker.join(10)
    (answer,) = got
    assert answer.status == 200
    assert abs(grey_of(base64.b64decode(answer.json["jpeg"])) - 60) <= 1
    return answer.json


def test_settings_change_and_a_change_of_the_same_thing_is_refused(serve):
    served = serve("gate", "yard")
    before = served.browser.get("/api/settings", stream="gate").json
    (knobs,) = [part["knobs"] for part in before["parts"] if part["id"] == "sees"]
    assert {knob["name"]: knob["value"] for knob in knobs} == {"least": 0, "api_key": "not shown"}
    asked = {"stages": {"sees": {"least": 5}}, "streams": ["gate"], "version": before["version"], "reason": "dusk"}
    assert served.browser.post("/api/settings", asked).json["epoch"] == 1
    again = served.browser.post("/api/settings", {**asked, "stages": {"sees": {"least": 9}}})
    assert again.status == 409
    assert "sees.least has been changed since" in again.json["error"]
    assert served.browser.post("/api/settings", {**asked, "streams": ["yard"]}).json["epoch"] == 2  # another stream
    wrong = served.browser.post("/api/settings", {"stages": {"sees": {"least": 999}}})
    assert wrong.status == 400
    assert "less than or equal to 255" in wrong.json["error"]
    served.show(10)
    epochs = served.browser.get("/api/status").json["epochs"]
    assert [(epoch["by"], epoch["reason"]) for epoch in epochs] == [("page", "dusk"), ("page", "dusk")]


ZONE = [[0, 0], [1, 0], [1, 1]]


def test_edits_of_different_zones_are_both_kept(serve):
    served = serve()
    version = served.browser.get("/api/rules", stream="gate").json["version"]
    for name in ("lawn", "path"):
        edit = {"stream": "gate", "version": version, "add": {"zones": {name: ZONE}}}
        assert served.browser.post("/api/rules", edit).status == 200
    rules = served.browser.get("/api/rules", stream="gate").json
    assert {*rules["zones"]} == {"lawn", "path"}
    late = {"stream": "gate", "version": version, "change": {"zones": {"lawn": [[0, 0], [0.5, 0], [0.5, 0.5]]}}}
    refused = served.browser.post("/api/rules", late)
    assert (refused.status, "zone 'lawn' has been changed since" in refused.json["error"]) == (409, True)
    assert served.browser.post("/api/rules", {**late, "version": 99}).status == 409  # of a run before this one
    fresh = {**late, "version": rules["version"]}
    assert served.browser.post("/api/rules", fresh).status == 200
    assert served.browser.get("/api/rules", stream="gate").json["zones"]["lawn"][1] == [0.5, 0]
    wrong = served.browser.post("/api/rules", {"stream": "gate", "add": {"zones": {"thin": [[0, 0], [1, 1]]}}})
    assert wrong.status == 400


def test_who_edits_at_once_loses_nothing(serve):
    served = serve()
    version = served.browser.get("/api/rules", stream="gate").json["version"]
    answers = []

    def edit(name):
        told = {"stream": "gate", "version": version, "add": {"zones": {name: ZONE}}}
        answers.append(served.browser.post("/api/rules", told).status)

    names = [f"zone{number}" for number in range(8)]
    threads = [threading.Thread(target=edit, args=(name,)) for name in [*names, "zone0"]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] * 8 + [409]  # of two that add the same one is told
    assert {*served.browser.get("/api/rules", stream="gate").json["zones"]} == {*names}


def test_what_audits_found_wrong_is_told(serve):
    blind = {"id": "blind", "type": "tests.serve.cams:Blind"}
    served = serve(more={"stages": [blind, *PIPELINE["stages"]], "audit": {"rate": 1, "max_unchecked_s": None}})
    assert served.browser.get("/api/missed", stream="gate").json == []
    served.show(10, 20)
    until(lambda: len(served.browser.get("/api/missed", stream="gate").json) == 2)
    newest = served.browser.get("/api/missed", stream="gate").json[0]
    assert {name: newest[name] for name in ("stage", "missed", "false", "same_boxes", "said", "found", "seq")} == {
        **{"stage": "blind", "missed": True, "false": False, "same_boxes": 0, "said": 0, "found": 1, "seq": 1},
    }
    assert newest["seen"] in (None, {"person": 1})  # by whether the last stage was in time to be published
    until(lambda: served.browser.get("/api/funnel").json["streams"]["gate"][0]["audited"] == 2)
    row, last = served.browser.get("/api/funnel").json["streams"]["gate"]
    assert (row["id"], row["audited"], row["missed"], row["rate"]) == ("blind", 2, 2, 1.0)
    assert 0 < row["low"] < 1 == row["high"]
    assert (row["answered"] + last["answered"], last["audited"]) == (2, 0)


def test_a_stream_is_paused_and_resumed(serve):
    served = serve()
    served.show(10)
    assert served.browser.post("/api/pause", {"stream": "gate"}).json == {"stream": "gate", "paused": True}
    until(lambda: served.run.status().streams["gate"].paused)
    assert served.browser.post("/api/resume", {"stream": "gate"}).status == 200
    assert served.browser.post("/api/pause", {"stream": "nobody"}).status == 404


def test_events_are_told_and_who_was_away_gets_what_was_told_meanwhile(serve):
    served = serve(more={"rules": [{"id": "in", "kind": "presence", "confirm_s": 0}]})
    with served.browser.open("/api/told") as answer:
        came = messages(answer)
        assert next(came) == {"retry": "2000"}
        assert next(came)["event"] == "status"
        served.show(10, 20)
        first = next(each for each in came if each["event"] == "event")
    served.page.tell([])
    served.run.edit_rules("gate", remove={"rules": ["in"]})
    served.show(30, 40)  # the rule has gone, and with it what lasted
    telling = served.page._shown.telling  # noqa: SLF001
    until(lambda: telling.newest == 2)
    with served.browser.open("/api/told", headers={"Last-Event-ID": first["id"]}) as answer:
        second = next(each for each in messages(answer) if each.get("event") == "event")
        assert second["id"] == first["id"].replace("-1", "-2")
    with served.browser.open("/api/told", headers={"Last-Event-ID": "of another process-7"}) as answer:
        assert next(each for each in messages(answer) if "event" in each)["event"] == "gap"


@pytest.mark.parametrize("path", ["/api/openapi.json", "/", "/api/plan", "/api/runs", "/api/funnel"])
def test_what_there_is(serve, path):
    assert serve().browser.get(path).status == 200
