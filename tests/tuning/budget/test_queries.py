"""A budget of several queries. What must hold:

- what they get is never more than the budget, and what one gains more by goes to that one;
- it is what one pipeline with all of their streams would be given;
- where it cannot be kept, the message says of which query and stream.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tuning.budget.profiles import FRONTIER, SAFE_ONE, known, tried, yard
from vidpipe.core.errors import ConfigError
from vidpipe.tuning.budget.apply import apply_budget
from vidpipe.tuning.budget.limits import parse
from vidpipe.tuning.budget.queries import shared_out

STEEP = (tried(1.0, 5.0, 0.1), tried(0.2, 20.0, 0.95), SAFE_ONE)


@pytest.fixture
def two(tmp_path):
    """Two queries with a stream each, of which the second gains more by the same time, and where that is known."""
    pipelines = {"door": yard(tmp_path, "flat"), "yard": yard(tmp_path, "steep")}
    known(pipelines["door"], tmp_path / "profiles", flat=FRONTIER)
    known(pipelines["yard"], tmp_path / "profiles", steep=STEEP)
    return pipelines, tmp_path / "profiles"


def test_who_gains_more_gets_more(two):
    shares = shared_out(two[0], parse("cpu=0.5"), two[1])
    assert shares["yard"].cpu == pytest.approx(0.4)
    assert shares["door"].cpu == pytest.approx(0.1)
    assert all(each.elsewhere for each in shares.values())


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cpu=st.floats(0.21, 2.0))
def test_each_query_can_be_set_within_its_share_and_all_within_the_budget(two, cpu):
    pipelines, profiles = two
    shares = shared_out(pipelines, parse(f"cpu={cpu}"), profiles)
    assert sum(each.cpu for each in shares.values()) == pytest.approx(cpu)
    for query, pipeline in pipelines.items():
        apply_budget(pipeline, shares[query], profiles)  # raises where it cannot be kept


def test_what_cannot_be_kept_is_said_of_a_query_and_its_stream(two):
    with pytest.raises(
        ConfigError, match=r"cpu must be 0\.2 at least: stream door/flat 0\.1 .* stream yard/steep 0\.1"
    ):
        shared_out(two[0], parse("cpu=0.15"), two[1])
    with pytest.raises(ConfigError, match="several queries share out CPU time"):
        shared_out(two[0], parse("mbps=3"), two[1])
