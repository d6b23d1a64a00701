"""What may change while a run goes on: streams come, go, and are set otherwise; the cascade stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import Pipeline


@dataclass(frozen=True, slots=True)
class Changes:
    """Streams by what becomes of them; a changed one ends, and begins anew where it stood."""

    added: Sequence[str]
    removed: Sequence[str]
    changed: Sequence[str]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        kinds = (("added", self.added), ("removed", self.removed), ("changed", self.changed))
        return "; ".join(f"{kind} {', '.join(names)}" for kind, names in kinds if names) or "nothing changed"


def changes(old: Pipeline, new: Pipeline) -> Changes:
    """What has changed from one to the other.

    Raises:
        ConfigError: something else than streams, which a run cannot take up.
    """
    for field in fields(Pipeline):
        if field.name not in ("streams", "name") and getattr(old, field.name) != getattr(new, field.name):
            raise ConfigError(f"{field.name} cannot change while it runs: only streams can; start it anew for the rest")
    if not new.streams:
        raise ConfigError("no stream is left: a run needs one; to end it, interrupt it")
    if plan(old).unordered != plan(new).unordered:
        raise ConfigError("a stream's settings make a stage learn that did not, or no longer: start the run anew")
    kept = [name for name in new.streams if name in old.streams]
    return Changes(
        [name for name in new.streams if name not in old.streams],
        [name for name in old.streams if name not in new.streams],
        [name for name in kept if new.streams[name] != old.streams[name]],
    )
