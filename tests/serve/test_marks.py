"""Events of a user's own on the page. What must hold:

- a moment is marked by whoever may change what runs, once, and can be taken back; the opposite is not said of it too;
- a question is answered once, and answers come to rates in status, report and metrics, which say so where they are few;
- whoever may not see a camera learns nothing of its marks.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.serve.conftest import Browser
from tests.waiting import until
from vidpipe.results.sinks.metrics import Metrics
from vidpipe.results.store.queries import Store


def asked(asking):
    """Open questions, in the order of time."""
    return asking.browser.get("/api/questions", event="right").json["questions"][::-1]


def say(asking, yes=True, event="right", **moment):
    return asking.browser.post("/api/mark", {"event": event, "yes": yes, **moment})


def marks(browser, **query):
    return browser.get("/api/marks", **query).json["marks"]


def test_answers_come_to_rates_that_say_where_they_are_too_few(asking):
    quiet = [each for each in asked(asking) if not each["said"]]
    (told,) = [each for each in asked(asking) if each["said"]]
    assert len(quiet) >= 3
    rates = asking.run.status().streams["gate"].taught["right"]
    assert rates["held_back"]["f1"]["estimate"] == 0.86
    assert rates["audited"]["missed"] == {"wrong": 0, "of": 0, "rate": None, "low": 0.0, "high": 1.0, "enough": False}
    answer = say(asking, yes=False, id=told["id"]).json
    assert (answer["question"], answer["said"], answer["by"]) == (told["id"], True, "page")
    say(asking, yes=True, id=quiet[0]["id"])
    say(asking, yes=False, id=quiet[1]["id"])
    assert {each["id"] for each in asked(asking)} == {each["id"] for each in quiet[2:]}

    def audited():
        asking.show(136)
        return asking.browser.get("/api/status").json["streams"]["gate"]["taught"]["right"]["audited"]

    until(lambda: audited()["missed"]["of"] == 2)
    missed, false = audited()["missed"], audited()["false"]
    assert (missed["wrong"], missed["rate"], missed["enough"]) == (1, 0.5, False)
    assert (false["wrong"], false["of"]) == (1, 1)
    yard = asking.run.status().streams["yard"].taught["right"]
    assert (yard["classifier"], yard["audited"]["missed"]["of"]) == (rates["classifier"], 0)
    shown = Metrics(0)
    try:
        shown.progressed(asking.run._collector)  # noqa: SLF001
        page = shown.page("")[0].decode()
    finally:
        shown.close()
    assert 'vidpipe_taught_f1{rule="right",stream="gate"} 0.86' in page
    assert 'vidpipe_taught_answers{rule="right",stream="gate",what="missed"} 2.0' in page
    assert 'vidpipe_taught_answers{rule="right",stream="yard",what="missed"} 0.0' in page
    assert 'vidpipe_taught_errors{rule="right",stream="yard",what="missed"}' not in page  # nobody knows
    asking.run.stop()
    report = asking.run.join(10).report
    assert report["streams"]["gate"]["taught"]["right"]["audited"]["missed"] == missed


def test_an_event_of_another_kind_is_an_example_and_no_answer(asking):
    (told,) = [each for each in asked(asking) if each["said"]]
    answer = say(asking, event="arrives", id=told["id"]).json
    assert (answer["question"], answer["said"]) == (None, None)
    assert told["id"] in {each["id"] for each in asked(asking)}
    assert {row["event"]: row["yes"] for row in asking.browser.get("/api/taught").json} == {"arrives": 1, "right": 0}


def test_a_moment_of_a_camera_is_marked_once_and_taken_back(asking):
    moment = {"stream": "gate", "begin": 4.0, "end": 6.0}
    assert say(asking, **moment).status == 200
    assert say(asking, yes=False, **moment).status == 200  # in its place
    (mark,) = marks(asking.browser, event="right")
    assert (mark["stream"], mark["began"], mark["ended"], mark["yes"]) == ("gate", 4.0, 6.0, False)
    refused = say(asking, stream="gate", begin=5.0, end=7.0)
    assert refused.status == 400
    assert "page has said of 4.0 to 6.0 s of gate that it is not right" in refused.json["error"]
    assert say(asking, stream="gate", begin=6.0, end=7.0).status == 200
    assert say(asking, event="arrives", stream="gate", begin=5.0, end=7.0).status == 200
    assert asking.browser.post("/api/unmark", {"mark": mark["id"]}).status == 200
    gone = asking.browser.post("/api/unmark", {"mark": mark["id"]})
    assert (gone.status, gone.json["error"]) == (404, "there is no such mark")
    assert say(asking, stream="gate", begin=5.0, end=6.0).status == 200


REFUSED = [
    ({"stream": "gate", "begin": 90.0, "end": 92.0}, 400, "92 s is behind the newest answer of gate"),
    ({"stream": "gate", "begin": 3.0, "end": 3.0}, 400, "which is not after 3 s"),
    ({"stream": "gate"}, 400, "say which moment"),
    ({"stream": "yard", "begin": 0.0, "end": 1.0}, 400, "there is none yet"),
    ({"stream": "nobody", "begin": 0.0, "end": 1.0}, 404, "there is no such stream"),
    ({"id": "nobody"}, 404, "there is no such event"),
    ({"id": "nobody", "stream": "gate"}, 400, "leave out `stream`"),
]


def test_what_is_no_moment_is_refused(asking):
    for moment, status, why in REFUSED:
        answer = say(asking, **moment)
        assert (answer.status, why in answer.json["error"]) == (status, True), answer.body
    assert marks(asking.browser) == []


def test_who_may_look_marks_nothing_and_learns_nothing_of_other_cameras(asking, users):
    say(asking, stream="gate", begin=4.0, end=6.0)
    (mark,) = marks(asking.browser)
    id = asked(asking)[0]["id"]
    users.add_user("eve", "correct horse", "viewer", ["yard"])
    users.add_user("ann", "correct horse", "admin", ["yard"])
    for name, refused in (("eve", 403), ("ann", 404)):
        browser = Browser(asking.port)
        browser.post("/api/session", {"name": name, "password": "correct horse"})
        assert browser.post("/api/mark", {"event": "right", "yes": True, "id": id}).status == refused
        asked_ = {"event": "right", "yes": True, "stream": "gate", "begin": 1.0, "end": 2.0}
        assert browser.post("/api/mark", asked_).status == refused
        assert browser.post("/api/unmark", {"mark": mark["id"]}).status == refused
        assert marks(browser) == marks(browser, stream="gate") == []
        assert browser.get("/api/taught").json == []
        assert browser.get("/api/questions", event="right").json["questions"] == []


def test_another_site_marks_nothing(asking):
    told = {"event": "right", "yes": True, "stream": "gate", "begin": 4.0, "end": 6.0}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://elsewhere.example"}):
        assert asking.browser.post("/api/mark", told, headers=headers).status == 403
    assert marks(asking.browser) == []


def test_a_store_that_is_locked_takes_no_mark_and_the_run_goes_on(asking, tmp_path):
    with closing(sqlite3.connect(tmp_path / "yard.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = say(asking, stream="gate", begin=4.0, end=6.0)
    assert (answer.status, "is locked by another program" in answer.json["error"]) == (400, True)
    asking.show(136)
    with Store(tmp_path / "yard.db") as store:
        assert store.marks() == []


def test_where_nothing_is_kept_that_is_told(serve):
    asking = serve()
    asking.show(10)
    for answer in (say(asking, stream="gate", begin=0.0, end=1.0), asking.browser.get("/api/taught")):
        assert (answer.status, "--store" in answer.json["error"]) == (404, True)
