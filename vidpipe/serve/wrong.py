"""Audits that found an answer wrong: the newest of each stream, and what people say of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vidpipe.cascade.audit import Audit
from vidpipe.core.answer import boxes_by_class
from vidpipe.core.errors import ConfigError
from vidpipe.results.records import Result

KEPT = 50
"""How many of a stream are remembered."""


@dataclass(slots=True)
class Wrong:
    """One of them.

    Attributes:
        told: what is told of it.
        relabelled_by: who says that the last stage was wrong in it; None: nobody.
    """

    audit: Audit
    told: dict[str, Any]
    relabelled_by: str | None = None


class WrongAudits:
    """The newest of each stream."""

    def __init__(self) -> None:
        self._by_stream: dict[str, deque[Wrong]] = {}

    def note(self, results: Sequence[Result]) -> None:
        """Take results as they come."""
        for result in results:
            for audit in result.audits:
                if audit.missed or audit.false:
                    own = self._by_stream.setdefault(result.stream, deque(maxlen=KEPT))
                    own.append(Wrong(audit, _told(result, audit)))

    def newest_first(self, stream: str) -> list[Wrong]:
        """Those of a stream."""
        return [*self._by_stream.get(stream, ())][::-1]

    def one(self, stream: str, stage: str, seq: int) -> Wrong:
        """That of a stage at a frame; raises ConfigError where none is remembered."""
        for wrong in self.newest_first(stream):
            if (wrong.audit.stage, wrong.audit.seq) == (stage, seq):
                return wrong
        raise ConfigError(f"no audit that found '{stage}' wrong at frame {seq} is remembered: the newest {KEPT} are")

    def clear(self) -> None:
        """Forget all: another run begins."""
        self._by_stream.clear()


def _told(result: Result, audit: Audit) -> dict[str, Any]:
    """An audit; with what the last stage saw, where that is what was published."""
    own = result.seq == audit.seq
    return {
        "stage": audit.stage,
        "missed": audit.missed,
        "false": audit.false,
        "same_boxes": audit.boxes.right,
        "said": audit.said,
        "found": audit.boxes.boxes - audit.said,
        "seq": audit.seq,
        "pts": round(result.pts, 3),
        "at": result.captured_at,
        "epoch": result.epoch,
        "seen": dict(boxes_by_class(result.answer)) if own and result.look is not None else None,
    }
