"""What a server's stages have counted for a run, as plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from vidpipe.cascade.runner import Meter
from vidpipe.results.carried import Carried
from vidpipe.results.records import Counts
from vidpipe.runtime.remote.values import MalformedError

NONE = Counts({}, {}, {})


def write_counts(counts: Counts) -> dict[str, Any]:
    """The plain values; pictures and clips are made where streams are, and so not counted here."""
    return {
        "stages": {id: _meter(meter) for id, meter in counts.stages.items()},
        "shadows": {name: _meter(meter) for name, meter in counts.shadows.items()},
        "models": {name: list(figures) for name, figures in counts.models.items()},
        "links": {name: [carried.frames, carried.bytes] for name, carried in counts.links.items()},
    }


def read_counts(written: Any) -> Counts:
    """The counts again; raises MalformedError."""
    try:
        models = {name: (int(looks), int(wall), int(cpu)) for name, (looks, wall, cpu) in written["models"].items()}
        links = {name: Carried(int(frames), int(nbytes)) for name, (frames, nbytes) in written["links"].items()}
        return Counts(_meters(written["stages"]), models, links, shadows=_meters(written["shadows"]))
    except (TypeError, ValueError, KeyError, AttributeError):
        raise MalformedError("no counts") from None


def _meter(meter: Meter) -> list[Any]:
    figures = [meter.asked, meter.answered, meter.wall_ns, meter.cpu_ns]
    return [*figures, dict(meter.raised), meter.first_error, dict(meter.counts)]


def _meters(written: Mapping[str, Any]) -> dict[str, Meter]:
    return {
        str(name): Meter(int(asked), int(answered), int(wall), int(cpu), Counter(raised), str(error), Counter(counts))
        for name, (asked, answered, wall, cpu, raised, error, counts) in written.items()
    }
