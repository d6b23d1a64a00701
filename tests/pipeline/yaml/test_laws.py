"""The law of this room: whatever is written, `load` gives a pipeline or says what is wrong with it, and where."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pipeline.conftest import GOOD
from vidpipe.pipeline.yaml import InvalidPipelineError, load

Keys = tuple[str | int, ...]
DATA = yaml.load(GOOD, yaml.BaseLoader)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 700),
    st.floats(),
    st.sampled_from(
        ["device", "edge", "cloud", "little", "detect", "person", "rtsp://a:b@c", "", "x.y:Z", "*a", "{", "é"]
    ),
    st.lists(st.integers(0, 2), max_size=3),
    st.dictionaries(st.sampled_from(["id", "type", "little", "person", "stages", "x"]), st.integers(0, 2), max_size=2),
)


def places(value: Any, keys: Keys = ()) -> Iterator[Keys]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in below:
        yield (*keys, key)
        yield from places(item, (*keys, key))


PLACES = st.sampled_from(list(places(DATA)))
KEYS = st.sampled_from(["id", "type", "on", "model", "accept", "stages", "x", "gate"])
SLIPS = st.one_of(
    st.tuples(st.just("delete"), PLACES, st.none()),
    st.tuples(
        st.just("rename"), PLACES, st.sampled_from(["id", "type", "on", "model", "accept", "stages", "x", "gate"])
    ),
    st.tuples(st.just("change"), PLACES, VALUES),
)


def spoil(data: Any, slip: str, keys: Keys, value: Any) -> None:
    """Do one slip, if an earlier one has left its place."""
    if keys not in places(data):
        return
    *above, key = keys
    for step in above:
        data = data[step]
    if slip == "change":
        data[key] = value
    elif slip == "delete" or isinstance(data, list):
        del data[key]
    else:
        data[value] = data.pop(key)


@pytest.mark.long
@given(st.lists(SLIPS, min_size=1, max_size=4))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_spoilt_pipeline_loads_or_is_refused_with_places(folder: Path, slips: list[tuple[str, Keys, Any]]) -> None:
    data = copy.deepcopy(DATA)
    for slip in slips:
        spoil(data, *slip)
    Path("street.yaml").write_text(yaml.safe_dump(data, allow_unicode=True))
    loads_or_says_where("street.yaml")


@pytest.mark.long
@given(st.integers(0, len(GOOD)), st.integers(0, 12), st.text("{}[]:,-#&*!|>'\"%@` \n\tab1", max_size=4))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_spoilt_text_loads_or_is_refused_with_places(folder: Path, start: int, length: int, text: str) -> None:
    Path("street.yaml").write_text(GOOD[:start] + text + GOOD[start + length :])
    loads_or_says_where("street.yaml")


@pytest.mark.long
@given(PLACES, VALUES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_set_loads_or_is_refused_with_places(folder: Path, keys: Keys, value: Any) -> None:
    Path("street.yaml").write_text(GOOD)
    ids = ["difference", "little", "big"]
    path = ".".join(ids[key] if isinstance(key, int) and key < len(ids) else str(key) for key in keys)
    loads_or_says_where("street.yaml", f"{path}={yaml.safe_dump(value, default_flow_style=True)}")


def loads_or_says_where(path: str, *sets: str) -> None:
    try:
        load(path, sets=sets)
    except InvalidPipelineError as error:
        mistakes = error.mistakes
    else:
        return
    assert mistakes
    for mistake in mistakes:
        assert mistake.message
        assert mistake.mark.line > 0 or mistake.mark.file.startswith("--set ") or "not valid YAML" in mistake.message
