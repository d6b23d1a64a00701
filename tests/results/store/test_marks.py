"""Marks of moments. What must hold, whatever is said in whatever order:

- no moment is an event and is not;
- of the very same moment the last word counts, once;
- rates count each answered question once, and those of one classifier alone.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.results.store.test_queries import plans
from tests.results.store.told import START, event, sink
from vidpipe.core.errors import ConfigError
from vidpipe.core.event import REVIEW
from vidpipe.results.store.file import MIGRATIONS, open_to_write
from vidpipe.results.store.marks import Mark, keep, take_back
from vidpipe.results.store.queries import Store
from vidpipe.transforms.learnt.audited import ENOUGH, Audited


def mark(began, ended, yes=True, **more):
    told = {"at": 1.0, "run": START, "stream": "gate", "event": "meets", "by": "page"} | more
    return Mark(began=began, ended=ended, yes=yes, **told)


said = st.tuples(st.integers(0, 6), st.integers(1, 3), st.booleans(), st.sampled_from(["meets", "delivery"]))


@settings(deadline=None, max_examples=25)
@given(st.lists(said, max_size=8))
def test_law_no_moment_is_both_and_the_last_word_counts(said):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s.db"
        sink(path).close()
        kept = {}
        for begin, length, yes, name in said:
            against = [
                key
                for key, own in kept.items()
                if own != yes and key[0] == name and key[1] < begin + length and key[2] > begin
            ]
            if [key for key in against if key != (name, begin, begin + length)]:
                with pytest.raises(ConfigError, match="take that back first"):
                    keep(path, mark(begin, begin + length, yes, event=name))
            else:
                keep(path, mark(begin, begin + length, yes, event=name))
                kept[name, begin, begin + length] = yes
        with Store(path) as store:
            found = {(row["event"], row["began"], row["ended"]): row["yes"] for row in store.marks()}
            assert found == kept
            assert {row["event"] for row in store.marks(event="delivery")} <= {"delivery"}


def test_a_mark_is_taken_back_once(tmp_path):
    path = tmp_path / "s.db"
    sink(path).close()
    keep(path, mark(1, 2))
    with Store(path) as store:
        (row,) = store.marks()
    take_back(path, row["id"])
    with pytest.raises(ConfigError, match="there is no such mark"):
        take_back(path, row["id"])
    with pytest.raises(ConfigError, match="knows nothing of that run yet"):
        keep(path, mark(1, 2, run="2020-01-01T00:00:00.000+00:00"))


def test_rates_are_of_one_classifier_and_count_a_question_once(tmp_path):
    path = tmp_path / "s.db"
    sink(path).close()
    for number, (told, yes, classifier) in enumerate(
        [(False, False, "a"), (False, True, "a"), (True, True, "a"), (True, False, "a"), (True, False, "b")]
    ):
        for _ in range(2):
            question = {"question": f"q{number}", "said": told, "classifier": classifier}
            keep(path, mark(10 * number, 10 * number + 2, yes, **question))
    keep(path, mark(100, 101, yes=False))  # nobody has asked
    store = sink(path)
    assert store.audited == {("gate", "a"): Audited(2, 1, 2, 1), ("gate", "b"): Audited(0, 0, 1, 1)}
    keep(path, mark(200, 202, question="later", said=False, classifier="b"))
    store.flush()
    assert store.audited["gate", "b"] == Audited(1, 1, 1, 1)
    store.close()


@pytest.mark.parametrize(("of", "enough"), [(0, False), (ENOUGH - 1, False), (ENOUGH, True)])
def test_a_rate_is_known_from_as_many_answers_on_as_bound_it_by_a_tenth(of, enough):
    rate = Audited(quiet=of).report()["missed"]
    assert (rate["enough"], rate["high"] <= 0.1) == (enough, enough)


def test_a_store_of_an_earlier_vidpipe_takes_marks(tmp_path):
    path = tmp_path / "old.db"
    open_to_write(path, MIGRATIONS[:3]).close()
    sink(path).close()
    keep(path, mark(1, 2))
    with Store(path) as store:
        assert len(store.marks()) == 1


def test_questions_are_those_that_nobody_has_answered_and_no_query_reads_all_events(tmp_path):
    path = tmp_path / "s.db"
    store = sink(path)
    for seq in range(200):
        store.tell([event(seq, "zone.enter"), event(seq, REVIEW, event=("meets", "other")[seq % 2], said=False)])
    store.close()
    with Store(path) as store:
        newest = next(iter(store.questions("meets", newest=1)))
        assert newest["seq"] == 198
        keep(path, mark(1, 2, question=newest["id"], said=False, classifier="a"))
        assert [row["seq"] for row in store.questions("meets", newest=2)] == [194, 196]
        found = plans(store._connection, lambda: list(store.questions("meets", newest=2)))  # noqa: SLF001
        assert store.run_of(newest["id"]) == START
        assert store.run_of("nobody") is None
    assert all("USING INDEX event_kind" in plan for plan in found), found
    with closing(open_to_write(path)) as connection:
        plan = str([tuple(row) for row in connection.execute("EXPLAIN QUERY PLAN SELECT * FROM mark WHERE at > 1")])
    assert "mark_at" in plan
