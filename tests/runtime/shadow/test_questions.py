"""Questions of shadow asks: whose process dies is asked anew, and what the dead one said to it is no answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests import clips
from tests.builders import answer
from tests.runtime.conftest import Runner
from tests.runtime.shadow.test_shadow import PIPELINE, SEES
from vidpipe.core.errors import RunError
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.records import Batch, ShadowAnswer
from vidpipe.runtime.driver.questions import Questions
from vidpipe.runtime.shadow.ask import Variant


def said(number: int, place: int, seq: int) -> ShadowAnswer:
    return ShadowAnswer("a", number, place, seq, 0.1 * seq, answer("read"), 1.0)


@pytest.fixture
def pipeline(tmp_path):
    stages = Runner(tmp_path, "inline", None).folder / "mystages.py"
    stages.write_text(stages.read_text() + SEES)
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    return load(tmp_path / "pipeline.yaml", sources={"a": str(clips.encode(tmp_path / "clip.mp4", frames=2))})


def test_a_stream_whose_process_died_is_asked_anew(pipeline):
    asked: list[Any] = []
    questions = Questions(lambda stream, asks: asked.append((stream, [ask.key for ask in asks])))
    question = questions.ask(pipeline, "a", [Variant("read"), Variant("read", {"word": "other"})])
    questions.note(Batch(shadows=[said(1, 0, seq=3)]))
    questions.note(Batch(begun_anew=["a"]))
    assert asked == [("a", [(1, 0), (1, 1)]), ("a", [(2, 0), (2, 1)])]
    questions.note(Batch(shadows=[said(1, 1, seq=3), said(2, 1, seq=7)]))
    assert not question.done()
    questions.note(Batch(shadows=[said(2, 0, seq=7)]))
    assert question.result(0).seq == 7
    assert len(question.result(0).answers) == 2


def test_the_end_of_a_run_ends_what_is_open(pipeline):
    questions = Questions(lambda stream, asks: None)
    question = questions.ask(pipeline, "a", [Variant("read")])
    questions.end()
    with pytest.raises(RunError, match="the run ended before"):
        question.result(0)
