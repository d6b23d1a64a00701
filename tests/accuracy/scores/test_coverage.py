"""Whether audits tell the truth: by hand, and by simulation with the cascade's own audits."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench.builders import Row, answers, at, series
from tests.builders import SharedTold, Told, answer, cascade, frame
from vidpipe.accuracy.scores.coverage import coverage
from vidpipe.accuracy.series import Answers
from vidpipe.cascade.audit import AuditSpec
from vidpipe.cascade.cascade import Ticket
from vidpipe.core.answer import How
from vidpipe.results.ledger import AuditCount, StreamLedger
from vidpipe.results.records import Result


def sees(*classes: str) -> list[Row]:
    """A box for each letter, p(erson) or v(ehicle), frame by frame: "pv" sees both."""
    return [at(i, 50, label="pv".index(letter)) for i, letters in enumerate(classes) for letter in letters]


def audits(audited: int, missed: int) -> dict[str, float]:
    return AuditCount(audited, missed).report()


def said(how: list[str], by: list[str], *classes: str) -> Answers:
    return answers(series(len(classes), *sees(*classes)), how=how, by=by)


def last(*classes: str, how: list[str] | str = "measured") -> Answers:
    return answers(series(len(classes), *sees(*classes)), how=how)


def test_by_hand():
    published = said(
        ["measured", "reused", "reused", "measured", "reused", "skipped", "skipped", "empty"],
        ["big", "difference", "difference", "big", "difference", "sample", "sample", "gate"],
        *("p", "p", "p", "", "", "", "", ""),
    )
    truth = last("p", "p", "pv", "", "p", "v", "", "p")

    found = coverage(published, truth, {"difference": audits(20, 5), "sample": audits(4, 0), "gate": audits(30, 3)})

    assert [(one.stage, one.answered, one.missed, one.covered) for one in found] == [
        ("difference", 3, 2, False),  # 2/3 are missed, the interval ends at 0.47
        ("sample", 2, 1, False),  # of 4 none were missed: up to 0.49
        ("gate", 1, 1, False),
    ]
    assert (found[0].audited, found[0].rate) == (20, 0.25)
    assert (found[0].low, found[0].high) == (pytest.approx(0.112, abs=1e-3), pytest.approx(0.469, abs=1e-3))


def test_an_extra_class_is_not_missed():
    published = said(["reused"] * 4, ["difference"] * 4, "pv", "pv", "v", "v")
    (found,) = coverage(published, last("p", "", "v", ""), {"difference": audits(50, 1)})
    assert (found.missed, found.covered) == (0, False)  # the interval begins above 0
    (found,) = coverage(published, last("p", "", "v", ""), {"difference": audits(50, 0)})
    assert found.covered is True


def test_frames_that_the_last_stage_or_the_stage_failed_at_say_nothing():
    published = said(["reused", "reused", "failed", "reused"], ["difference"] * 4, "", "", "", "")
    truth = last("p", "p", "p", "", how=["measured", "failed", "measured", "dropped"])
    (found,) = coverage(published, truth, {"difference": audits(9, 9)})
    assert (found.answered, found.missed, found.covered) == (1, 1, True)


def test_nothing_audited_or_nothing_answered_is_neither_covered_nor_not():
    published = said(["reused"] * 2, ["difference"] * 2, "", "")
    found = coverage(published, last("p", ""), {"difference": audits(0, 0), "gate": audits(3, 1)})
    assert [(one.answered, one.missed, one.covered) for one in found] == [(2, 1, None), (0, 0, None)]
    assert coverage(published, last("p", ""), {}) == []


STREAMS = 200
FRAMES = [frame(seq) for seq in range(600)]


def simulated(seed: int, *, publish_checked: bool = True) -> tuple[Answers, Answers, dict[str, dict[str, float]]]:
    """A stream in which things come and go, a stage that skips, one that errs, and audits as the cascade draws them."""
    rng = np.random.default_rng(seed)
    there = np.logical_xor.accumulate(rng.random((len(FRAMES), 2)) < 0.05, axis=0)
    forgets = rng.random((len(FRAMES), 2)) < 0.2
    truth = [np.flatnonzero(row).tolist() for row in there]
    believed = [np.flatnonzero(row).tolist() for row in there & ~forgets]

    sample = Told("sample", lambda f: answer("sample", how=How.SKIPPED, as_of=-1) if f.seq % 2 else None)
    cheap = Told("cheap", lambda f: answer("cheap", *believed[f.seq], as_of=f.seq) if f.seq % 10 else None)
    big = SharedTold("big", lambda f: answer("big", *truth[f.seq], as_of=f.seq))
    audit = AuditSpec(rate=0.15, max_unchecked_s=1, seed=seed)
    run = cascade(sample, cheap, big, audit=audit, publish_checked=publish_checked)
    ledger, published = StreamLedger(), []
    for picture in FRAMES:
        ticket = Ticket(picture)
        run.ask([ticket])
        completed = run.complete(ticket)
        ledger.count(Result("cam", picture.seq, picture.pts, None, 0.0, 0, completed.answer, completed.audit))
        published.append(completed.answer)

    def rows(classes: list[list[int]]) -> list[Row]:
        return [at(i, 50, label=label) for i, labels in enumerate(classes) for label in labels]

    boxes = rows([one.detections.class_id.tolist() if len(one.detections) else [] for one in published])
    how, by = [one.how.value for one in published], [one.by for one in published]
    ours = answers(series(len(FRAMES), *boxes), how=how, by=by)
    return ours, answers(series(len(FRAMES), *rows(truth))), ledger.report()["audits"]


@pytest.mark.long
@pytest.mark.parametrize("publish_checked", [True, False], ids=["replay", "live"])
def test_the_interval_holds_the_true_rate_in_nineteen_of_twenty_streams(publish_checked):
    found = {"sample": [], "cheap": []}
    for seed in range(STREAMS):
        for one in coverage(*simulated(seed, publish_checked=publish_checked)):
            found[one.stage].append(one)

    for stage, streams in found.items():
        assert len(streams) == STREAMS
        assert sum(one.audited for one in streams) > STREAMS * 20
        assert 0.05 < np.mean([one.missed / one.answered for one in streams]) < 0.5, stage
        # A little under 95 %: the true rate is itself a count, of six times as many frames as were audited.
        covered = np.mean([one.covered for one in streams])
        assert 0.90 <= covered < 1.0, f"{stage}: {covered:.1%}"


def test_audits_that_looked_away_are_seen_through():
    for seed in range(20):
        published, truth, told = simulated(seed)
        blind = {stage: AuditCount(200, 0).report() for stage in told}
        assert [one.covered for one in coverage(published, truth, blind)] == [False, False]
