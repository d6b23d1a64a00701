"""Requests that nobody would think of. What must hold, whatever comes:

- an answer is one that the API's description names, in words where it is a refusal; none is a fault of vidpipe;
- nothing is told of files, traces or secrets;
- the run goes on, and its settings are still ones that it could have been begun with.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.serve.conftest import PIPELINE
from vidpipe.results.store.sink import StoreConfig, StoreSink
from vidpipe.transforms.rules.rules import RULES
from vidpipe.transforms.rules.spec import RulesConfig

ENDLESS = {"/api/told", "/api/live", "/api/live.mjpeg", "/api/video"}  # they answer for as long as one listens
FEW = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
MANY = settings(FEW, max_examples=50)

BLIND = {"id": "blind", "type": "tests.serve.cams:Blind"}


@pytest.fixture
def served(serve, tmp_path):
    path = tmp_path / "yard.db"
    return serve(
        "gate",
        sinks=[StoreSink(StoreConfig(path=str(path)))],
        store=path,
        more={
            "stages": [BLIND, *PIPELINE["stages"]],
            "audit": {"rate": 1, "max_unchecked_s": None},
            "rules": [{"id": "in", "kind": "presence", "confirm_s": 0}],
        },
    )


def check_is_well(served):
    """The run answers, and nothing has broken it."""
    served.show(10)
    assert served.browser.get("/api/status").json["state"] == "running"
    config = served.run.pipeline.streams["gate"].configs[RULES]
    assert RulesConfig.model_validate(config.model_dump(by_alias=True)) == config


def check_says_little(text):
    for word in ("Traceback", "site-packages", "/tmp/", "a secret", "fault of vidpipe"):
        assert word not in text, text


@pytest.mark.long
def test_every_answer_is_one_that_the_description_names(served):
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    served.show(10)
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{served.port}/api/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 20
    for operation in operations:
        if operation.path in ENDLESS:
            continue

        @given(case=operation.as_strategy())
        @FEW
        def ask(case):
            answer = case.call(timeout=20)
            # What is well-formed may still be impossible: a stream that is not there, a setting of no stage.
            case.validate_response(answer, excluded_checks=[schemathesis.checks.positive_data_acceptance])
            check_says_little(answer.text)

        ask()
    check_is_well(served)


names = st.text(max_size=20) | st.sampled_from(["gate", "lawn", "in", "\0", "../x", "a" * 600, "\ud800", "\u202e", ""])
numbers = st.integers() | st.floats() | st.sampled_from([0, 0.5, 1, -1, 1e308])
points = st.lists(st.tuples(numbers, numbers) | st.lists(numbers, max_size=3), max_size=6)
anything = st.recursive(
    st.none() | st.booleans() | numbers | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
places = st.dictionaries(names, points | anything, max_size=3)
rules = st.lists(
    st.fixed_dictionaries(
        {"id": names, "kind": st.sampled_from(["zone", "line", "dwell", "presence", "no such"]) | names},
        optional={
            "zone": names,
            "line": names,
            "class": names,
            "after_s": numbers,
            "confirm_s": numbers,
            "x": anything,
        },
    )
    | anything,
    max_size=3,
)
edits = st.fixed_dictionaries({}, optional={"zones": places, "lines": places, "rules": rules}) | anything


def packed(told):
    """As JSON, also what Python's own would refuse to write: lone surrogates, NaN."""
    return json.dumps(told).encode()


@given(add=edits, change=edits, remove=st.dictionaries(names, st.lists(names, max_size=2), max_size=2) | anything)
@MANY
def test_odd_edits_of_zones_are_refused_or_hold(served, add, change, remove):
    asked = {"stream": "gate", "add": add, "change": change, "remove": remove}
    answer = served.browser.post("/api/rules", packed(asked))
    assert answer.status in (200, 400, 422), answer.body
    check_says_little(answer.body.decode())
    if answer.status == 200:
        check_is_well(served)
        known = served.browser.get("/api/rules", stream="gate")
        assert known.status == 200, known.body
        assert known.json["zones"] or known.json["rules"] or known.json["lines"] or known.json["version"]


@given(
    stages=st.dictionaries(st.sampled_from(["sees", "blind", RULES]) | names, anything | places, max_size=2),
    streams=st.none() | st.lists(names, max_size=2) | anything,
    reason=names | anything,
    version=st.none() | numbers,
)
@MANY
def test_odd_settings_are_refused_or_hold(served, stages, streams, reason, version):
    asked = {"stages": stages, "streams": streams, "reason": reason, "version": version}
    answer = served.browser.post("/api/settings", packed(asked))
    assert answer.status in (200, 400, 404, 409, 422), answer.body
    check_says_little(answer.body.decode())
    if answer.status == 200:
        check_is_well(served)
        assert served.browser.get("/api/settings", stream="gate").status == 200


@given(
    body=st.binary(max_size=200) | st.sampled_from([b"[" * 10_000, b'{"stream":' * 5_000, b"\xff\xfe", b"", b"nul\0"])
)
@MANY
def test_what_is_no_json_is_refused_in_words(served, body):
    for path in ("/api/rules", "/api/settings", "/api/session", "/api/pause"):
        answer = served.browser.post(path, body)
        assert answer.status in (400, 415, 422), (path, answer.body)
        assert answer.json["error"]
        check_says_little(answer.body.decode())


@given(path=st.text(st.characters(exclude_categories=["Cs"]), max_size=40), up=st.integers(0, 6))
@MANY
def test_no_path_leads_out_of_the_page(served, path, up):
    from urllib.parse import quote

    for place in (f"/static/{'../' * up}{path}", f"/static/{'%2e%2e%2f' * up}{path}", f"/{path}"):
        answer = served.browser.get(quote(place, safe="/%"))
        assert answer.status in (200, 307, 400, 403, 404, 405), (place, answer.status)
        check_says_little(answer.body.decode("utf-8", "replace") if answer.status >= 400 else "")
        assert b"root:" not in answer.body
