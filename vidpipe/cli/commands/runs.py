"""`vidpipe status`, `stop`, `apply`, `logs`: a run as another shell sees it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from vidpipe.cli.runs.messages import ask
from vidpipe.cli.runs.place import Place, places, the_place
from vidpipe.cli.terminal.rows import local, print_json, print_table
from vidpipe.core.errors import ConfigError, RunError

_LOOK_EVERY_S = 0.1


def show_status(name: str | None, *, json: bool) -> int:
    """Print how a run fares, or, where no name is given and not exactly one goes on, all that are known."""
    if name is None and len([place for place in places() if place.is_running()]) != 1:
        known = [_brief(place) for place in places()]
        if json:
            print_json(known)
        elif known:
            print_table([{key: "" if value is None else str(value) for key, value in run.items()} for run in known])
        else:
            sys.stderr.write("there is no run with a name: vidpipe run --detach NAME\n")
        return 0
    place = the_place(name)
    if not place.is_running():
        raise ConfigError(_ended(place))
    told = ask(place, {"do": "status"})
    if json:
        print_json([told])
        return 0
    since = f", since {local(told['since'])}" if "since" in told else ""
    sys.stdout.write(f"{place.name}: {told['state']}{since}, process {told['pid']}, pipeline {told['pipeline']}\n")
    print_table([_stream_line(stream, now) for stream, now in told["streams"].items()])
    return 0


def stop_run(name: str | None, wait_s: float, *, forget: bool = False) -> int:
    """Ask a run to end, and wait for it; with `forget` one that has ended is well, too, and nothing is left of it."""
    place = the_place(name)
    if not forget or place.is_running():
        _stop(place, wait_s)
    if forget:
        place.forget()
        sys.stdout.write(f"run {place.name} is forgotten\n")
    return 0


def _stop(place: Place, wait_s: float) -> None:
    ask(place, {"do": "stop"})
    until = time.monotonic() + wait_s
    while place.is_running():
        if time.monotonic() > until:
            raise RunError(f"run {place.name} has not ended within {wait_s:g} s; it was asked to")
        time.sleep(_LOOK_EVERY_S)
    sys.stdout.write(_ended(place) + "\n")


def apply_to_run(
    name: str | None,
    sets: Sequence[str],
    streams: list[str] | None,
    reason: str,
    pipeline: str | None,
    query: str | None = None,
) -> int:
    """Change settings of a run, or of one of its queries, or have another version of its pipeline take over."""
    if pipeline is not None:
        if sets or streams:
            raise ConfigError("--pipeline: a new version brings its own settings; give --set and --stream afterwards")
        place = the_place(name)
        told = ask(place, {"do": "replace", "pipeline": _found(pipeline)})
        sys.stdout.write(f"{place.name} is answered by {told['pipeline']} now\n")
        return 0
    if not sets:
        raise ConfigError("nothing to change: give --set STAGE.FIELD=VALUE")
    question = {"do": "apply", "stages": _settings(sets), "streams": streams, "reason": reason, "query": query}
    told = ask(the_place(name), question)
    sys.stdout.write(f"epoch {told['epoch']} of {', '.join(told['streams'])}\n")
    return 0


def change_queries(name: str | None, add: str | None, remove: str | None) -> int:
    """Have a query join a run, or end."""
    place = the_place(name)
    if add is not None:
        told = ask(place, {"do": "add", "pipeline": _found(add)})
        sys.stdout.write(f"query {told['query']} has joined {place.name}\n")
    else:
        told = ask(place, {"do": "remove", "query": remove})
        sys.stdout.write(f"query {told['query']} of {place.name} has ended\n")
    return 0


def _found(pipeline: str) -> str:
    """A pipeline as another process finds it, which has another working directory."""
    file = Path(pipeline)
    return str(file.resolve()) if file.exists() else pipeline


def show_logs(name: str | None, *, follow: bool) -> int:
    """Print what a run has said."""
    place = the_place(name)
    if not place.log.is_file():
        raise ConfigError(f"run {place.name} has no log: it runs in the foreground")
    for text in _said(place, follow):
        sys.stdout.write(text)
        sys.stdout.flush()
    return 0


def _said(place: Place, follow: bool) -> Iterator[str]:
    with place.log.open(errors="replace") as log:
        while True:
            ends = not follow or not place.is_running()  # before the last look, which then finds all
            yield log.read()
            if ends:
                return
            time.sleep(_LOOK_EVERY_S)


def _brief(place: Place) -> dict[str, Any]:
    ended = place.ended()
    if place.is_running():
        return {"name": place.name, "state": "runs", "ended": None, "exit_status": None}
    if ended is None:
        return {"name": place.name, "state": "was killed", "ended": None, "exit_status": None}
    return {"name": place.name, "state": "ended", "ended": local(ended["at"]), "exit_status": ended["exit_status"]}


def _ended(place: Place) -> str:
    ended = place.ended()
    if ended is None:
        return f"run {place.name} does not go on: it was killed; vidpipe logs {place.name}"
    how = "" if ended["exit_status"] == 0 else f" with exit status {ended['exit_status']}; vidpipe logs {place.name}"
    return f"run {place.name} has ended at {local(ended['at'])}{how}"


def _stream_line(stream: str, now: Mapping[str, Any]) -> dict[str, str]:
    accuracy, look_age_s = now["accuracy"], now["look_age_s"]
    return {
        "stream": stream,
        "state": now["state"],
        "frames": str(now["frames_in"]),
        "seen": ", ".join(f"{count} {name}" for name, count in now["seen"].items()) or "nothing",
        "by": now["answered_by"],
        "looked": "never" if look_age_s is None else f"{look_age_s:.1f} s ago",
        "epoch": str(now["epoch"]),
        "f1": ""
        if accuracy["f1"] is None
        else f"{accuracy['f1']:.2f} ({accuracy['low']:.2f} to {accuracy['high']:.2f})",
        "detail": now["detail"],
    }


def _settings(sets: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By stage and field."""
    settings: dict[str, dict[str, Any]] = {}
    for assignment in sets:
        path, equals, text = assignment.partition("=")
        stage, dot, field = path.removeprefix("stages.").partition(".")
        if not (equals and dot and stage and field):
            raise ConfigError(f"--set {path}: must be of the form STAGE.FIELD=VALUE, as little.accept=0.4")
        try:
            settings.setdefault(stage, {})[field] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError(f"--set {path}: the value is not valid YAML: put quotes around it") from None
    return settings
