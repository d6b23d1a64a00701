"""A configuration that changes on disk while it is edited on the page: both are kept, and neither is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.waiting import until
from vidpipe.transforms.rules.spec import RulesConfig

SQUARE = [[0, 0], [1, 0], [1, 1]]
OTHER = [[0, 0], [0.5, 0], [0.5, 0.5]]


def zones_of(served):
    return served.browser.get("/api/rules", stream="gate").json["zones"]


def streams(**zones):
    return {"streams": {"gate": {"zones": zones}}}


@pytest.fixture
def served(serve):
    return serve(more=streams(lawn=SQUARE), reloads=True)


def edit(served, **asked):
    return served.browser.post("/api/rules", {"stream": "gate", **asked})


@pytest.mark.long
def test_what_both_change_is_there_behind_it(served):
    assert edit(served, add={"zones": {"path": SQUARE}}).status == 200
    served.write(streams(lawn=OTHER, drive=SQUARE))
    until(lambda: {*zones_of(served)} == {"lawn", "path", "drive"})
    assert zones_of(served)["lawn"] == OTHER
    assert [epoch.by for epoch in served.run.epochs] == ["page", "reload"]
    served.show(10)
    assert edit(served, remove={"zones": ["drive"]}).status == 200
    served.write(streams(lawn=SQUARE, drive=SQUARE))  # as before there: so it stays removed
    until(lambda: zones_of(served) == {"lawn": SQUARE, "path": SQUARE})


@pytest.mark.long
def test_who_edits_what_the_file_has_changed_since_is_told(served):
    version = served.browser.get("/api/rules", stream="gate").json["version"]
    served.write(streams(lawn=OTHER))
    until(lambda: zones_of(served)["lawn"] == OTHER)
    answer = edit(served, change={"zones": {"lawn": SQUARE}}, version=version)
    assert (answer.status, "has been changed since" in answer.json["error"]) == (409, True)


@pytest.mark.long
def test_a_file_that_does_not_fit_what_was_edited_is_told_and_the_run_goes_on(served, caplog):
    rule = {"id": "in", "kind": "zone", "zone": "lawn"}
    assert edit(served, add={"rules": [rule]}).status == 200
    served.write(streams(drive=SQUARE))
    until(lambda: "its rules do not fit those edited while it runs" in caplog.text)
    assert "there is no zone 'lawn'" in caplog.text
    assert {*zones_of(served)} == {"lawn"}
    served.show(10)


names = st.sets(st.sampled_from("abcd"))


@given(was=names, own=names, now=names)
def test_law_edits_of_different_zones_are_independent(was, own, now):
    """What only one of two has touched is as that one left it."""

    def config(zones, size):
        return RulesConfig.model_validate({"zones": {name: [[0, 0], [size, 0], [size, size]] for name in zones}})

    merged = config(own, 1).with_changes(config(was, 1), config(now, 1))
    for name in "abcd":
        touched = (name in was) != (name in now)
        assert (name in merged.zones) == (name in (now if touched else own))
    same = config(was, 1)
    assert config(own, 1).with_changes(same, same) == config(own, 1)
    assert same.with_changes(same, config(now, 1)) == config(now, 1)
