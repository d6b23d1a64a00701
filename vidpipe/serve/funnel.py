"""Who answers a stream's frames, what audits found of it, and what that saves: from a status to what the page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SOURCES = ("source", "engine")
"""Who answers beside the stages: what never became a frame, and what was lost between stages."""


def funnel(
    stream: Mapping[str, Any], stages: Sequence[Mapping[str, Any]], before: Mapping[str, int]
) -> list[dict[str, Any]]:
    """The stages in order, with what each answered.

    Args:
        stream: as a status has it.
        stages: with `id`, `type` and `tier`.
        before: what each had answered some seconds ago: "now" is what has come since.

    Returns:
        For each `id`, `type`, `tier`, `answered` and `share` of the whole run, `answered_now` and `share_now`,
        `reached_now` (the share that came to it, or past it), and of its audits `audited`, `missed`, `false`,
        `relabelled` (those that a person has left out of the rate), `rate`, `low`, `high` (Wilson, 95 %; None where
        there was no audit).
    """
    by: Mapping[str, int] = stream["by"]
    now = {name: count - before.get(name, 0) for name, count in by.items()}
    total, total_now = sum(by.values()), sum(now.values())
    others = [{"id": name, "type": "", "tier": ""} for name in by if name not in {stage["id"] for stage in stages}]
    rows: list[dict[str, Any]] = []
    passed = total_now - sum(now.get(other["id"], 0) for other in others)
    for stage in [*others, *stages]:
        answered, answered_now = by.get(stage["id"], 0), now.get(stage["id"], 0)
        is_stage = bool(stage["type"])
        rows.append(
            {
                **stage,
                "answered": answered,
                "share": _share(answered, total),
                "answered_now": answered_now,
                "share_now": _share(answered_now, total_now),
                "reached_now": _share(passed if is_stage else answered_now, total_now),
                **_audits(stream["audits"].get(stage["id"])),
            }
        )
        passed -= answered_now if is_stage else 0
    return rows


def cost(status: Mapping[str, Any], stages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What stages cost so far, and what the last one on every frame would have.

    Both are CPU seconds of stages alone: decoding costs the same either way. None where the last stage has not been
    asked yet, or nothing is known.
    """
    meters: Mapping[str, Mapping[str, Any]] = status["stages"]
    by_stage = {id: meter["asked"] * meter["cpu_ms"] / 1000 for id, meter in meters.items()}
    last = meters.get(stages[-1]["id"]) if stages else None
    frames = sum(
        count for stream in status["streams"].values() for name, count in stream["by"].items() if name != "source"
    )
    all_frames = frames * last["cpu_ms"] / 1000 if last is not None and last["asked"] else None
    spent = sum(by_stage.values())
    return {
        "cpu_s": round(spent, 3),
        "all_frames_cpu_s": None if all_frames is None else round(all_frames, 3),
        "times_less": round(all_frames / spent, 2) if all_frames is not None and spent else None,
        "by_stage_cpu_s": {id: round(seconds, 3) for id, seconds in by_stage.items()},
    }


def _audits(audits: Mapping[str, float] | None) -> dict[str, Any]:
    if not audits or not audits["audited"]:
        return {"audited": 0, "missed": 0, "false": 0, "rate": None, "low": None, "high": None, "relabelled": 0}
    known = {name: audits[name] for name in ("audited", "missed", "false", "rate", "low", "high")}
    return known | {"relabelled": audits.get("relabelled", 0)}


def _share(count: int, total: int) -> float:
    return round(count / total, 4) if total else 0.0
