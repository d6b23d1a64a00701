"""A budget of several queries. What must hold:

- what they get is never more than the budget, and what one gains more by goes to that one;
- it is what one pipeline with all of their streams would be given: no other way to share out is worth more;
- where it cannot be kept, the message says of which query and stream.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tuning.budget.profiles import FRONTIER, SAFE_ONE, known, tried, yard
from vidpipe.core.errors import ConfigError
from vidpipe.tuning.budget.apply import apply_budget
from vidpipe.tuning.budget.limits import CPU, parse
from vidpipe.tuning.budget.offers import offers
from vidpipe.tuning.budget.plan import exact, worth
from vidpipe.tuning.budget.queries import shared_out
from vidpipe.tuning.floor.configuration import roles_of

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


FRONTIERS = st.lists(
    st.tuples(st.sampled_from([0.1, 0.2, 0.5, 1.0]), st.floats(1, 39), st.floats(0.3, 0.99)),
    min_size=1,
    max_size=4,
    unique_by=lambda each: each[0],
).map(lambda each: (*(tried(*one) for one in each), SAFE_ONE))


@pytest.mark.long
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(door=FRONTIERS, other=FRONTIERS, cpu=st.floats(1.6, 2.0) | st.floats(0.2, 1.6), part=st.floats(0.05, 0.95))
def test_no_other_way_to_share_out_is_worth_more(tmp_path, door, other, cpu, part):
    profiles, config = tmp_path / "profiles", parse(f"cpu={cpu}")
    pipelines = {"door": yard(tmp_path, "flat"), "yard": yard(tmp_path, "steep")}
    known(pipelines["door"], profiles, flat=door)
    known(pipelines["yard"], profiles, steep=other)

    def worth_of(parts: Mapping[str, float]) -> float | None:
        total = 0.0
        for query, pipeline in pipelines.items():
            wishes = offers(roles_of(pipeline), profiles, config).wishes
            plan = exact(wishes, {CPU: parts[query]})
            if plan is None:
                return None
            total += worth(wishes, plan)
        return total

    try:
        shares = shared_out(pipelines, config, profiles)
    except ConfigError:
        assert worth_of({"door": part * cpu, "yard": (1 - part) * cpu}) is None
        return
    best = worth_of({query: share.cpu * (1 + 1e-9) for query, share in shares.items()})
    assert best is not None
    assert best >= (worth_of({"door": part * cpu, "yard": (1 - part) * cpu}) or 0.0) - 1e-6


def test_what_cannot_be_kept_is_said_of_a_query_and_its_stream(two):
    with pytest.raises(
        ConfigError, match=r"cpu must be 0\.2 at least: stream door/flat 0\.1 .* stream yard/steep 0\.1"
    ):
        shared_out(two[0], parse("cpu=0.15"), two[1])
    with pytest.raises(ConfigError, match="several queries share out CPU time"):
        shared_out(two[0], parse("mbps=3"), two[1])
