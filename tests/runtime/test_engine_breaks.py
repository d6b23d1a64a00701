"""An engine that breaks in a way that nobody foresaw: there is a report all the same, with what was counted."""

from __future__ import annotations

import pytest

from tests import clips
from tests.runtime.conftest import Runner
from vidpipe.core.errors import RunError
from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.driver.run import run
from vidpipe.runtime.inline import InlineEngine

PIPELINE = """
classes: {even: even, odd: odd}
stages: [{id: read, type: mystages:Read}]
"""


@pytest.mark.parametrize("error", [OSError("its head is gone"), RunError("there is no head any more")])
@pytest.mark.parametrize("counts", [True, False])
def test_there_is_a_report_of_what_was_counted(tmp_path, monkeypatch, error, counts):
    runner = Runner(tmp_path, "inline", None)
    (runner.folder / "pipeline.yaml").write_text(PIPELINE)
    clip = clips.encode(tmp_path / "clip.mp4", frames=100)
    pipeline = load(runner.folder / "pipeline.yaml", sources={"cam": f"live+file:{clip}"})
    taken = []
    usual, usual_counts = InlineEngine.take, InlineEngine.counts

    def take(self, timeout_s, *, hold=False):
        if len(taken) >= 10:
            raise error
        batches = usual(self, timeout_s, hold=hold)
        taken.extend(result for batch in batches for result in batch.published)
        return batches

    def count(self, *, fresh=True):
        if fresh and not counts:
            raise OSError("nobody is there")
        return usual_counts(self, fresh=fresh)

    monkeypatch.setattr(InlineEngine, "take", take)
    monkeypatch.setattr(InlineEngine, "counts", count)
    outcome = run(pipeline, engine="inline")
    assert outcome.exit_status == 1
    assert outcome.errors[0].endswith(str(error))
    assert outcome.report["errors"] == outcome.errors
    assert outcome.report["streams"]["cam"]["frames_in"] == len(taken) >= 10
