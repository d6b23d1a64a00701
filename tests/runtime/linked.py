"""Stages and pipelines for tests of links: small, and importable by whoever unpickles a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.builders import answer
from vidpipe.cascade.audit import AuditSpec
from vidpipe.cascade.stage import Stage
from vidpipe.core.settings import StageConfig
from vidpipe.models.base import Classes
from vidpipe.pipeline.spec import LinkSpec, Pipeline, PlacedStage, Stream, Tier
from vidpipe.sources.base import StreamSpec

restored: Counter[str] = Counter()  # by stream
on_frame: dict[tuple[str, int], Callable[[], None]] = {}  # what happens when `Measures` is asked a frame


class Passes(Stage[StageConfig]):
    """Learns nothing."""

    def answer(self, frames: Sequence[Any]) -> list[Any]:
        return [None] * len(frames)

    @classmethod
    def learns(cls, config: StageConfig) -> bool:
        return False


class Repeats(Stage[StageConfig]):
    """Answers two frames of three with what it learnt last; `reason` tells when that was."""

    def open(self, context: Any) -> None:
        self.known: dict[str, Any] = {}

    def answer(self, frames: Sequence[Any]) -> list[Any]:
        return [self._answer(frame) for frame in frames]

    def _answer(self, frame: Any) -> Any:
        known = self.known.get(frame.stream)
        if known is None or frame.seq % 3 == 0:
            return None
        return replace(known, by=self.id, reason=f"learnt {known.as_of}")

    def learn(self, frame: Any, given: Any) -> Any:
        self.known[frame.stream] = given
        return replace(given, reason=f"{given.reason} {self.id}")


class SharedRepeats(Repeats):
    shared = True

    def snapshot_stream(self, stream: str) -> Any:
        return self.known.get(stream)

    def restore_stream(self, stream: str, state: Any) -> None:
        restored[stream] += 1
        self.known[stream] = state


class Measures(Stage[StageConfig]):
    """Answers every frame."""

    shared = True

    def answer(self, frames: Sequence[Any]) -> list[Any]:
        for frame in frames:
            on_frame.get((frame.stream, frame.seq), lambda: None)()
        return [answer(self.id, frame.seq % 2, as_of=frame.seq) for frame in frames]

    @classmethod
    def learns(cls, config: StageConfig) -> bool:
        return False


class Writes(Passes):
    """Leaves a note, and says what notes there are when an answer comes."""

    def answer(self, frames: Sequence[Any]) -> list[Any]:
        for frame in frames:
            frame.features.setdefault("marks", []).append(self.id)
            frame.features[self.id] = frame.seq
        return [None] * len(frames)

    def learn(self, frame: Any, given: Any) -> Any:
        return replace(given, reason=f"{given.reason} {self.id}:{sorted(frame.features)}{frame.features['marks']}")

    @classmethod
    def learns(cls, config: StageConfig) -> bool:
        return True


class SharedWrites(Writes):
    shared = True


def pipeline(
    clips: Mapping[str, Path | str],
    stages: Sequence[tuple[type[Stage[Any]], Tier]],
    *,
    links: Mapping[str, LinkSpec] | None = None,
    **options: Any,
) -> Pipeline:
    """Stages of these types on these tiers, named s0, s1 and so on."""
    placed = tuple(PlacedStage(f"s{i}", kind, kind.Config(), tier) for i, (kind, tier) in enumerate(stages))
    streams = {name: Stream(StreamSpec(url=str(path))) for name, path in clips.items()}
    return Pipeline(
        "linked",
        Classes({"class0": ("class0",), "class1": ("class1",)}),
        {},
        placed,
        streams,
        audit=AuditSpec(rate=0, max_unchecked_s=None),
        links=links or {},
        streams_per_actor=len(streams),
        **options,
    )
