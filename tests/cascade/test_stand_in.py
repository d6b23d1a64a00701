"""Stages that stand in for a tier that is away. What must hold:

- one is asked only while that tier is away, and says so in its answer;
- its answers are neither audited nor evidence about earlier stages, and it checks nobody;
- once the tier is back it is not asked any more.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import CLASSES, Told, answer, frame, measures, passes
from vidpipe.cascade.audit import AuditSpec
from vidpipe.cascade.cascade import Away, Cascade, Completed, Ticket
from vidpipe.cascade.runner import StageRunner
from vidpipe.core.answer import How


def upper(*stages, away, audit=None):
    """The stages above a link, of which the last one stands in for what is behind it."""
    runners = [
        StageRunner(stage.id, stage.shared, False, lambda _, stage=stage: stage, CLASSES, stands_in=stage is stages[-1])
        for stage in stages
    ]
    return Cascade(runners, audit or AuditSpec(rate=1, max_unchecked_s=0.1), last="big", away=lambda _: away[0])


@given(st.lists(st.booleans(), min_size=1, max_size=20))
def test_it_is_asked_while_the_tier_is_away_and_at_no_other_time(gone):
    away = [None]
    first, spare = Told("first", passes), Told("spare", measures("spare", 1))
    cascade = upper(first, spare, away=away, audit=AuditSpec(rate=1, max_unchecked_s=None))
    for seq, is_gone in enumerate(gone):
        away[0] = Away("cloud", 12.4) if is_gone else None
        cascade.ask([ticket := Ticket(frame(seq))])
        below = None if ticket.answer is not None else Completed(answer("big", 2, as_of=seq))
        completed = cascade.complete(ticket, below)
        assert completed.audit is None
        assert completed.away == away[0]
        assert completed.answer.partial is is_gone
        assert (completed.answer.by, completed.answer.reason) == (
            ("spare", "cloud away for 12 s") if is_gone else ("big", "")
        )
    assert spare.asked == [seq for seq, is_gone in enumerate(gone) if is_gone]
    assert first.asked == list(range(len(gone)))


def test_an_answer_that_cannot_be_checked_now_stands():
    """Every answer of the first stage is audited: by the last stage, not by who stands in for it."""
    first, spare = Told("first", measures("first", 1)), Told("spare", measures("spare", 2))
    cascade = upper(first, spare, away=[Away("cloud", 1)], audit=AuditSpec(rate=1, max_unchecked_s=None))
    cascade.ask([ticket := Ticket(frame(0))])
    assert ticket.answer is None
    assert spare.asked == []
    failed = Completed(answer("engine", as_of=-1, how=How.FAILED), away=Away("cloud", 1))
    completed = cascade.complete(ticket, failed)
    assert completed.answer.by == "first"
    assert completed.audit is None


def test_one_that_raises_costs_the_frame_its_answer_and_says_why():
    def raises(_):
        raise ValueError("no such luck")

    cascade = upper(Told("spare", raises), away=[Away("cloud", 1)])
    cascade.ask([ticket := Ticket(frame(0))])
    assert "no such luck" in cascade.complete(ticket).answer.reason
