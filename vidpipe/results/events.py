"""An event as one flat JSON object: what files, the store and messages hold."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from vidpipe.core.event import Event

SCHEMA = "vidpipe.event/1"

MILLISECONDS = 3  # decimals of seconds

FIELDS = (
    "zone",
    "line",
    "direction",
    "class",
    "track_id",
    "started_at",
    "ended_at",
    "box",
    "score",
    "dwell_s",
    "count",
    "joins",
    "miss_rate",
    "config",
    "model",
    "snapshot",
    "clip",
)
"""What each event has beside where and when it was seen; null where its rule does not say."""


def as_json(event: Event, run: str) -> dict[str, Any]:
    """The event with all fields of the schema, and what else its transform says of it.

    Args:
        run: when the run began, as `start` in the first line of its results. It makes the `id` one of its own among all
            runs, and the same when the results are replayed.
    """
    data = event.data
    if data.get("joins") is not None:
        data = {**data, "joins": f"{_compact(run)}/{data['joins']}"}
    return {
        "schema": SCHEMA,
        "id": f"{_compact(run)}/{event.stream}/{event.id}",
        "phase": str(event.phase),
        "kind": event.kind,
        "stream": event.stream,
        "rule": event.rule,
        "at": None if event.at is None else round(event.at, MILLISECONDS),
        "seq": event.seq,
        "pts": round(event.pts, 6),
        "by": event.by,
        "age_s": None if event.age_s is None else round(event.age_s, MILLISECONDS),
        **dict.fromkeys(FIELDS),
        **data,
    }


@lru_cache(maxsize=16)
def _compact(run: str) -> str:
    return datetime.fromisoformat(run).astimezone(UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
