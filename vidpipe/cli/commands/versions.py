"""`vidpipe versions`: what was learnt of a stream so far, why each version came, and the way back to one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from vidpipe.core.errors import ConfigError
from vidpipe.models.gate import SUFFIX
from vidpipe.stages.difference.threshold_override import read_override
from vidpipe.stages.gate.versions import EMPTY_RECOGNISED, Change, Versions
from vidpipe.tuning.paths import folder_of, profiles_dir
from vidpipe.tuning.profile import Profile, Version, read, use

BY_HAND = "gone back to by hand"


def run_versions(what: str, use_: str | None, profiles: Path | None) -> int:
    """List the versions of a stream's profile, or of a folder of gates, or go back to one; the exit status.

    Args:
        what: a stream's name, or the folder of a gate's versions (or its .gate file, as a pipeline names it).
        use_: number of a version; "2.3": of the profile's version 2 the gate 3; None: only list them.

    Raises:
        ConfigError: there is nothing of that name, or no such version.
    """
    console = Console(highlight=False, soft_wrap=True, markup=False)
    folder = profiles or profiles_dir()
    profile = read(folder, what)
    if profile is not None:
        if use_ is not None:
            console.print(_use_of_profile(folder, profile, use_))
        else:
            _print_lines(console, _profile(folder, profile))
        return 0
    gates = _gates(Path(what))
    if gates is None:
        raise ConfigError(
            f"{what}: no stream with a profile in {folder}, and no folder with versions of a gate; "
            "`vidpipe specialize` makes profiles"
        )
    if use_ is not None:
        console.print(_use_of_gates(gates, _number(use_), f"gates {gates.folder}"))
    else:
        _print_lines(console, _changes(gates, ""))
    return 0


def use_version(profiles: Path, stream: str, number: int) -> str:
    """Go back to a version of a stream's profile, 0: to none; what to say of it. Raises ConfigError."""
    use(profiles, stream, number)
    return f"stream {stream}: version {number or 'none'} of its profile counts now"


def _use_of_profile(profiles: Path, profile: Profile, truth: str) -> str:
    number, dot, gate = truth.partition(".")
    stream = profile.stream
    if not dot:
        return use_version(profiles, stream, _number(truth))
    version = profile.version(_number(number))
    folder = folder_of(profiles, stream) / f"v{number}"
    gates = None if version is None else _gates(_gate_of(version, folder))
    if gates is None:
        raise ConfigError(f"the profile of stream {stream} has no gate that goes on learning in version {number}")
    said = _use_of_gates(gates, _number(gate), f"the gate of version {number} of stream {stream}")
    use(profiles, stream, _number(number))
    return said


def _use_of_gates(gates: Versions, number: int, what: str) -> str:
    if number not in gates.numbers:
        there = ", ".join(map(str, gates.numbers)) or "none"
        raise ConfigError(f"{what} has no version {number}; there is {there}")
    gates.activate(number, BY_HAND)
    return f"{what}: version {number} is in force now"


def _number(text: str) -> int:
    if not re.fullmatch(r"\d+", text):
        raise ConfigError(f"--use {text}: must be the number of a version, or two with a dot, as 2.3, for a gate")
    return int(text)


def _gates(place: Path) -> Versions | None:
    """The versions of a gate that goes on learning; None where there are none."""
    folder = place.with_suffix("") if place.suffix == SUFFIX else place
    versions = Versions(folder)
    return versions if versions.history else None


def _gate_of(version: Version, folder: Path) -> Path:
    """Where the weights of a version's gate lie; a folder that is not there where it has none."""
    return folder / str(version.settings.get("gate", {}).get("weights", "none"))


def _profile(profiles: Path, profile: Profile) -> Iterator[str]:
    counts = f"version {profile.current} counts" if profile.current else "none counts"
    yield f"stream {profile.stream}: {counts}"
    for version in profile.versions:
        folder = folder_of(profiles, profile.stream) / f"v{version.version}"
        mark = "*" if version.version == profile.current else " "
        yield f"{mark} {version.version}  {version.made_at[:16]}  {version.reason}: {version.says}"
        evidence = version.evidence
        if "chosen" in evidence and "budget" in evidence:
            chosen, budget = evidence["chosen"], evidence["budget"]
            yield (
                f"     from {_visits(evidence)} in {evidence['seconds']:g} s; misses "
                f"{chosen['missed']:.2%}, at most {chosen['missed_at_most']:.2%} ({budget['miss']:.2%} allowed)"
            )
        kept = read_override(folder / "scene.npz")
        if kept is not None:
            yield f"     since {kept.changed_at[:16]}: {kept.reason}"
        gates = _gates(_gate_of(version, folder))
        if gates is not None:
            yield from _changes(gates, f"{version.version}.")


def _visits(evidence: Mapping[str, Any]) -> str:
    """How many visits speak for a version, and what they say without an assumption; older ones have `passages`."""
    count = evidence.get("visits", evidence.get("passages", "unknown"))
    alone = evidence.get("visits_missed_at_most", evidence.get("whole_passages_missed_at_most"))
    return f"{count} visits" + ("" if alone is None else f" (alone they say: at most {alone:.0%} of visits missed)")


def _changes(gates: Versions, prefix: str) -> Iterator[str]:
    """A line for each change of what is in force, oldest first, with what speaks for the gate."""
    there = set(gates.numbers)
    indent = "     " if prefix else ""
    for at, change in enumerate(gates.history):
        mark = "*" if at == len(gates.history) - 1 else " "
        name = f"{prefix}{change.number}" if change.number is not None else "none"
        gone = "" if change.number is None or change.number in there else " (let go of)"
        yield f"{indent}{mark} gate {name}  {change.changed_at[:16]}  {change.reason}{_speaks(change)}{gone}"


def _speaks(change: Change) -> str:
    evidence = change.evidence
    if "missed_at_most" not in evidence:
        return ""
    return (
        f"; in validation it missed {evidence['missed']:.2%}, at most {evidence['missed_at_most']:.2%} "
        f"({evidence['max_miss']:.2%} allowed), and knew {evidence[EMPTY_RECOGNISED]:.0%} of the empty frames"
    )


def _print_lines(console: Console, lines: Iterator[str]) -> None:
    for line in lines:
        console.print(line)
