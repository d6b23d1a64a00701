"""Shadow asks that somebody waits for: from the question to what all its variants say."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from vidpipe.core.errors import ConfigError, RunError
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.records import Batch, ShadowAnswer
from vidpipe.runtime.driver.epochs import config_with
from vidpipe.runtime.shadow.ask import Shadow, ShadowAsk, Variant

OPEN = 64  # questions at a time: their pictures wait in memory


@dataclass(slots=True)
class _Question:
    stream: str
    asks: Sequence[ShadowAsk]
    answer: Future[Shadow] = field(default_factory=Future)
    said: dict[int, ShadowAnswer] = field(default_factory=dict)


class Questions:
    """All that is asked in the shadow of one run.

    Args:
        ask: hands asks of one stream down; see `Engine.ask`.
    """

    def __init__(self, ask: Callable[[str, Sequence[ShadowAsk]], None]) -> None:
        self._ask = ask
        self._open: dict[int, _Question] = {}
        self._count = 0
        self._spent: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def ask(self, pipeline: Pipeline, stream: str, variants: Sequence[Variant]) -> Future[Shadow]:
        """Ask what these would say of the stream's next frame.

        Raises:
            ConfigError: no such stream, stage or setting, or a stage that cannot be asked so.
            RunError: too many questions are open.
        """
        if not variants:
            raise ConfigError("nothing is asked: name variants, as in [Variant('little', {'size': 320})]")
        configs = [config_with(pipeline, stream, variant.stage, variant.settings) for variant in variants]
        able = [stage.id for stage in pipeline.stages if stage.type.stateless]
        for variant in variants:
            if variant.stage not in able:
                raise ConfigError(
                    f"stage '{variant.stage}' cannot be asked in the shadow of a run, as its answers depend on earlier "
                    f"frames; what can: {', '.join(able) or 'none here'}"
                )
        with self._lock:
            if len(self._open) >= OPEN:
                raise RunError(f"{OPEN} shadow asks are open; wait for their answers first")
            question = self._begin(
                stream,
                [
                    ShadowAsk(0, place, str(variant), variant.stage, config)
                    for place, (variant, config) in enumerate(zip(variants, configs, strict=True))
                ],
            )
        self._ask(stream, question.asks)
        return question.answer

    def note(self, batch: Batch) -> None:
        """Take answers as they come, and ask anew where a process died meanwhile."""
        if not self._open:
            return
        again: list[_Question] = []
        with self._lock:
            answered = [question for said in batch.shadows if (question := self._take(said)) is not None]
            for stream in batch.begun_anew:
                for number in [number for number, each in self._open.items() if each.stream == stream]:
                    lost = self._open.pop(number)
                    again.append(self._begin(stream, lost.asks, lost.answer))
        for question in answered:
            question.answer.set_result(_shadow(question))
        for question in again:
            self._ask(question.stream, question.asks)

    def bill(self, stream: str) -> dict[str, float]:
        """What the answers to questions about a stream have cost, as the report has it."""
        looks, cpu_s = self._spent.get(stream, (0, 0.0))
        return {"cpu_s": round(cpu_s, 3), "looks": looks}

    def end(self) -> None:
        """The run ends: what is open has no answer."""
        with self._lock:
            left, self._open = self._open, {}
        for question in left.values():
            if not question.answer.cancelled():
                question.answer.set_exception(RunError("the run ended before a shadow ask was answered"))

    def _begin(self, stream: str, asks: Sequence[ShadowAsk], answer: Future[Shadow] | None = None) -> _Question:
        """A question under a number of its own: what is said to an earlier one is not taken for an answer to it."""
        self._count += 1
        asks = [ask._replace(number=self._count) for ask in asks]
        question = self._open[self._count] = _Question(stream, asks, answer or Future())
        return question

    def _take(self, said: ShadowAnswer) -> _Question | None:
        """The question, where this was the last answer to it; that of one who gave up waiting is let go."""
        question = self._open.get(said.number)
        if question is None:
            return None
        question.said[said.place] = said
        looks, cpu_s = self._spent.get(question.stream, (0, 0.0))
        self._spent[question.stream] = looks + 1, cpu_s + said.cpu_ms / 1000
        if len(question.said) < len(question.asks):
            return None
        del self._open[said.number]
        return question if question.answer.set_running_or_notify_cancel() else None


def _shadow(question: _Question) -> Shadow:
    said = [question.said[place] for place in range(len(question.asks))]
    answers = tuple(each.answer for each in said)
    return Shadow(question.stream, said[0].seq, said[0].pts, answers, tuple(each.cpu_ms for each in said))
