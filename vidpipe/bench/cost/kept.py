"""Costs that were measured, kept for later plans: a file for each pipeline and processor."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import ValidationError

from vidpipe.core.errors import ConfigError
from vidpipe.core.files import make_folder, write_whole
from vidpipe.models.cache import cache_dir
from vidpipe.tuning.planner.costs import Costs


def costs_file(pipeline: str, processor: str, cores: int, engine: str) -> Path:
    """Where the costs of a pipeline on a machine of this kind lie."""
    name = "-".join(re.sub(r"[^A-Za-z0-9_]+", "-", part).strip("-") for part in (pipeline, engine, processor))
    return cache_dir() / "costs" / f"{name}-{cores}.json"


def read_costs(path: Path) -> Costs | None:
    """What is kept there; None: nothing. Raises ConfigError where it cannot be read."""
    try:
        return Costs.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, ValidationError):
        raise ConfigError(f"costs {path} cannot be read: delete the file, and measure again") from None


def keep_costs(path: Path, costs: Costs) -> Costs:
    """Write them, with those of other streams that lie there already; all that there are now. Raises RunError."""
    try:
        before = read_costs(path)
    except ConfigError:  # it is replaced
        before = None
    if before is not None:
        costs = costs.model_copy(
            update={"streams": before.streams | costs.streams, "models": before.models | costs.models}
        )
    make_folder(path.parent)
    write_whole(path, costs.model_dump_json(indent=1) + "\n", "costs")
    return costs
