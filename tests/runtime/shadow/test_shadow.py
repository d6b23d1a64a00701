"""Shadow asks, on both engines. What must hold:

- the answers are what the stage says of one frame under these settings, each of its variants of the same frame;
- nothing of them is published, and what they cost is counted apart;
- a variant that raises, kills its process or does not load costs its own answer; what cannot be asked is said at once;
- every question ends: with answers, or with the run.
"""

from __future__ import annotations

import pytest

from tests import clips
from tests.runtime.conftest import BY_INLINE
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.driver.questions import OPEN
from vidpipe.runtime.driver.session import Run
from vidpipe.runtime.shadow.ask import Variant

# A process of low priority gets nothing done where everybody else is at work.
pytestmark = [pytest.mark.timed, pytest.mark.timeout(300)]

PIPELINE = """
classes: {even: even, odd: odd}
stages:
  - {id: learns, type: mystages:Third}
  - {id: read, type: mystages:Sees, word: first, on: edge}
links: {device-edge: {codec: jpeg, quality: 95}}
"""

SEES = '''

from vidpipe.core.settings import Knob


class SeesConfig(StageConfig):
    word: str = Knob("", max_length=20)


class Sees(Read):
    """Answers with the word of its settings; some words are too much for it."""

    Config = SeesConfig
    stateless = True

    def answer(self, frames):
        if self.config.word == "raise":
            raise ValueError("not that word")
        if self.config.word == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.config.word == "toil":
            until = time.process_time() + 0.3
            while time.process_time() < until:
                np.sort(np.random.default_rng(0).random(10_000))
        return [replace(self.measure(frame), reason=self.config.word) for frame in frames]
'''


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.encode(tmp_path_factory.mktemp("shadow") / "clip.mp4", frames=1500)


@pytest.fixture
def begin(runner, clip):
    """Begins a run of live streams of these names on the engine under test."""
    stages = runner.folder / "mystages.py"
    stages.write_text(stages.read_text() + SEES)
    (runner.folder / "pipeline.yaml").write_text(PIPELINE)

    def of(*names, **options):
        pipeline = load(runner.folder / "pipeline.yaml", sources=dict.fromkeys(names, f"live+file:{clip}"))
        return Run(pipeline, engine=runner.engine, address=runner.address, **options)

    return of


@pytest.mark.long
def test_what_variants_say_of_one_frame_is_told_and_not_published(begin):
    words = ("one", "two")
    with begin("a", "b") as run:
        asked, results = {}, []
        for result in run:
            results.append(result)
            if result.seq in (10, 20) and (result.stream, result.seq) not in asked:
                variants = [Variant("read", {"word": word}) for word in words] + [Variant("read")]
                asked[result.stream, result.seq] = run.ask(result.stream, variants)
            if len(asked) == 4 and all(question.done() for question in asked.values()):
                break
        run.stop()
        report = run.join().report
    for (stream, seq), question in asked.items():
        shadow = question.result(0)
        assert shadow.stream == stream
        assert shadow.seq > seq
        assert [answer.reason for answer in shadow.answers] == [*words, "first"]
        assert {int(answer.detections.xyxy[0, 0]) for answer in shadow.answers} == {shadow.seq % 256}
        assert all(answer.as_of == shadow.seq and answer.by == "read" for answer in shadow.answers)
    assert not {result.answer.reason for result in results} & {*words}
    told = {label: shadow["asked"] for label, shadow in report["shadows"].items()}
    assert told == {"read word=one": 4, "read word=two": 4, "read": 4}
    assert report["links"]["device-edge"]["frames"] >= report["stages"]["read"]["asked"]
    for ledger in report["streams"].values():
        assert ledger["frames_in"] == sum(ledger["how"].values())


@pytest.mark.long
def test_what_a_variant_does_costs_its_own_answer(begin):
    with begin("a") as run:
        results = iter(run)
        answers = {}
        for word in ("raise", "die", "fine"):
            next(results)
            shadow = run.ask("a", [Variant("read", {"word": word})])
            answers[word] = shadow.result(60).answers[0]
        seen = [next(results).how for _ in range(20)]
    assert answers["raise"].how == answers["die"].how == "failed"
    assert answers["raise"].reason.startswith("ValueError: not that word (")
    assert "the process of shadow asks died" in answers["die"].reason
    assert (answers["fine"].how, answers["fine"].reason) == ("measured", "fine")
    assert "failed" not in seen
    assert run.join().errors == []


@pytest.mark.parametrize(
    ("stream", "variants", "message"),
    [
        ("c", [Variant("read")], "there is no stream 'c'"),
        ("a", [], "nothing is asked"),
        ("a", [Variant("raed")], "there is no stage 'raed'; did you mean 'read'?"),
        ("a", [Variant("read", {"wort": "x"})], "stages.read: there is no setting 'wort'; did you mean 'word'?"),
        ("a", [Variant("read", {"word": "x" * 21})], "stages.read.word: String should have at most 20 characters"),
        ("a", [Variant("learns")], "stage 'learns' cannot be asked in the shadow of a run"),
    ],
)
def test_what_cannot_be_asked_is_said(shadow_run, stream, variants, message):
    with pytest.raises(ConfigError) as said:
        shadow_run.ask(stream, variants)
    assert str(said.value).startswith(message)


@pytest.fixture(scope="module")
def shadow_run(tmp_path_factory, clip):
    from tests.runtime.conftest import Runner

    runner = Runner(tmp_path_factory.mktemp("asks"), "inline", None)
    stages = runner.folder / "mystages.py"
    stages.write_text(stages.read_text() + SEES)
    (runner.folder / "pipeline.yaml").write_text(PIPELINE)
    pipeline = load(runner.folder / "pipeline.yaml", sources={"a": f"live+file:{clip}", "b": str(clip)})
    with Run(pipeline, engine="inline") as run:
        yield run


def test_every_question_ends(shadow_run):
    """Of a stream that has ended with a `failed` answer, of a run that has with an error; and they are bounded."""
    ended = next(result for result in shadow_run if result.stream == "b" and result.seq == 1499)
    while shadow_run.status().streams["b"].state != "ended":
        next(iter(shadow_run))
    answer = shadow_run.ask(ended.stream, [Variant("read")]).result(10).answers[0]
    assert answer.how == "failed"
    assert answer.reason in ("the stream has ended", "the stream is not open")
    questions = []

    def ask_on():
        while True:
            questions.append(shadow_run.ask("a", [Variant("read")]))

    with pytest.raises(RunError, match=f"{OPEN} shadow asks are open"):
        ask_on()
    questions[0].cancel()
    shadow_run.stop()
    shadow_run.join()
    for question in questions:
        assert question.cancelled() or question.exception(0) is None or "ended before" in str(question.exception(0))
    with pytest.raises(RunError, match="nothing can be asked: the run is ended"):
        shadow_run.ask("a", [Variant("read")])


@pytest.mark.long
@BY_INLINE
def test_live_answers_are_not_late_for_its_sake(begin):
    """A variant that keeps a core busy all the time, beside a stream whose answers come within milliseconds."""

    def p95(busy):
        with begin("a") as run:
            asked = None
            for result in run:
                if busy and (asked is None or asked.done()):
                    asked = run.ask("a", [Variant("read", {"word": "toil"})])
                if result.seq == 200:
                    break
            run.stop()
            report = run.join().report
        return report["latency_ms"]["p95"], sum(each["asked"] for each in report["shadows"].values())

    alone, _ = p95(busy=False)
    beside, asked = p95(busy=True)
    assert asked >= 5
    assert beside < alone + 30
