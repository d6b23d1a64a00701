"""The table at the end of a run."""

from __future__ import annotations

from tests.builders import answer
from vidpipe.cli.terminal.summary import print_summary
from vidpipe.core.answer import How
from vidpipe.models.base import Classes
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.collector import Collector
from vidpipe.results.records import Batch, Counts, LateAnswer, Result
from vidpipe.results.report import build_report
from vidpipe.runtime.driver.run import Outcome


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
