"""The table at the end of a run."""

from __future__ import annotations

from tests.builders import answer
from vidpipe.cascade.audit import Audit
from vidpipe.cli.terminal.summary import print_summary
from vidpipe.core.answer import How
from vidpipe.models.base import Classes
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.collector import Collector
from vidpipe.results.records import Batch, Counts, LateAnswer, Result
from vidpipe.results.report import build_report
from vidpipe.runtime.driver.run import Outcome
from vidpipe.statistics.agreement import Matched


def test_late_answers_count_for_who_gave_them(capsys):
    """Live, a model that is slower than the camera answers late each time, and others stand in for it."""
    collector = Collector(["gate"], live=["gate"])
    skipped = answer("engine", how=How.SKIPPED)
    frames = [Result("gate", seq, seq / 10, None, 0.0, 0, skipped) for seq in range(10)]
    frames.append(Result("gate", 10, 1.0, None, 0.0, 0, answer("little")))
    collector.take(Batch(published=frames, late_answers=[LateAnswer("gate", "little", "engine")] * 8))
    pipeline = Pipeline("street", Classes({}), {}, (), {})
    report = build_report(pipeline, collector, Counts({}, {}, {}), 1.0, 1.0)
    assert report["streams"]["gate"]["late"] == {"little": {"engine": 8}}
    assert report["streams"]["gate"]["by"] == {"engine": 10, "little": 1}
    print_summary(pipeline, Outcome(report))
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if line}
    assert rows["little"] == ["9", "81.8", "%"]
    assert rows["engine"] == ["2", "18.2", "%"]


def test_what_accuracy_a_stream_holds(capsys):
    """A line for each stream that was asked for some, or of which there is evidence."""
    collector = Collector(["gate", "yard", "roof", "door"])
    collector.promise("gate", 0.9, "boxes")
    collector.promise("yard", 0.8, "count")
    wrong = Audit("little", False, False, Matched(3, 8), Matched(1, 2), 4)
    for stream in ("gate", "roof"):
        audited = [Result(stream, seq, seq / 10, None, 0.0, 0, answer("little"), wrong) for seq in range(40)]
        lost = Result(stream, 40, 4.0, None, 0.0, 0, answer("source", how=How.DROPPED))
        collector.take(Batch(published=[*audited, lost]))
    pipeline = Pipeline("street", Classes({}), {}, (), {})
    print_summary(pipeline, Outcome(build_report(pipeline, collector, Counts({}, {}, {}), 1.0, 1.0)))
    assert [line for line in capsys.readouterr().out.splitlines() if ": " in line and "street" not in line] == [
        "gate: boxes F1 0.750 against the last stage (95 %: 0.750 to 0.750), floor 0.9 not held; 40 audits; "
        "1 frame unmeasured",
        "yard: accuracy is not known, floor 0.8; 0 audits",
        "roof: boxes F1 0.750 against the last stage (95 %: 0.750 to 0.750); 40 audits; 1 frame unmeasured",
    ]
