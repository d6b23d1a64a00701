"""`vidpipe init`: from cameras in the network to a configuration and a first pipeline."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console

from vidpipe.cli.camera_hints import hints
from vidpipe.cli.commands.check import check
from vidpipe.cli.commands.tune import TuneArguments, run_tune
from vidpipe.cli.init import camera as cameras
from vidpipe.cli.init.camera import Camera
from vidpipe.cli.init.folder import Files, write
from vidpipe.core.errors import ConfigError, RunError, SourceError
from vidpipe.sources.address import check_address, from_environment
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.cameras.errors import CameraError
from vidpipe.sources.cameras.onvif import Device, find, offers
from vidpipe.sources.cameras.probe import probe

FIND_S = 3.0
TUNE_FOR = "20m"


@dataclass(frozen=True, slots=True)
class InitOptions:
    """What the user asked for.

    Attributes:
        given: `NAME=URL`, cameras that are known.
        finds: whether the network is asked for others.
        asks: whether somebody is there to answer questions.
        seconds: how long each camera is watched.
    """

    folder: Path
    given: Sequence[str]
    pipeline: str
    finds: bool
    asks: bool
    seconds: float


def run_init(options: InitOptions) -> int:
    """Ask, look and write; the exit status.

    Raises:
        ConfigError: there is nothing to watch, or something is in the folder already.
    """
    console = Console(highlight=False, markup=False, soft_wrap=True)
    files = Files.of(options.folder)
    chosen: list[Camera] = []
    for text in options.given:
        chosen.append(_given(text, chosen))
    if options.asks:
        if options.finds:
            _add_found(chosen, console)
        _add_typed(chosen, console)
    if not chosen:
        raise ConfigError("nothing to watch: give cameras with --camera NAME=rtsp://...")
    for camera in chosen:
        _look(camera, options.seconds, console)
    write(files, chosen, options.pipeline)
    check(files.pipeline, files.config, {}, [])
    console.print(f"\n{files.pipeline} says what is looked for, {files.config} where. To begin:\n")
    console.print(f"    vidpipe run {files.pipeline} --config {files.config}\n")
    return _offer_tuning(files, console) if options.asks else 0


def is_answered() -> bool:
    """Whether somebody can answer questions."""
    return sys.stdin.isatty()


def _given(text: str, chosen: Sequence[Camera]) -> Camera:
    name, equals, url = text.partition("=")
    if not equals or name != cameras.name_of(name, ()):
        raise ConfigError("--camera: write NAME=URL, a name of letters, digits, '.', '_' and '-'")
    if name in _names(chosen):
        raise ConfigError(f"--camera {name}=...: there is a camera {name} already; give each its own name")
    return Camera(name, _checked(url))


def _names(chosen: Sequence[Camera]) -> list[str]:
    return [camera.name for camera in chosen]


def _ask_name(told: str, chosen: Sequence[Camera]) -> str:
    taken = _names(chosen)
    return cameras.name_of(typer.prompt("  name", default=cameras.name_of(told, taken)), taken)


def _checked(url: str) -> str:
    try:
        check_address(url)
    except SourceError as error:
        raise ConfigError(str(error)) from None
    return url


def _add_found(chosen: list[Camera], console: Console) -> None:
    """Ask for each camera that the network shows."""
    try:
        with console.status(f"looking for cameras (ONVIF), {FIND_S:g} s"):
            devices = find(FIND_S)
    except RunError as error:
        console.print(str(error))
        return
    console.print(
        f"{len(devices) or 'no'} {'camera' if len(devices) == 1 else 'cameras'} found in this network (ONVIF)"
    )
    for device in devices:
        if typer.confirm(f"watch {device}?", default=True) and (camera := _asked(device, chosen, console)):
            chosen.append(camera)


def _asked(device: Device, chosen: Sequence[Camera], console: Console) -> Camera | None:
    """A camera whose streams its user may see; None where the user gives up."""
    name = _ask_name(device.name or device.host, chosen)
    while True:
        user = typer.prompt("  user", default="admin")
        password = typer.prompt("  password", default="", hide_input=True, show_default=False)
        try:
            found = offers(device, user, password)
        except CameraError as error:
            console.print(f"  {error}")
        else:
            if found:
                watched, recorded = cameras.choose(found)
                console.print(
                    f"  watched at {watched.width}x{watched.height}, clips at {recorded.width}x{recorded.height}"
                )
                record = None if recorded == watched else cameras.with_user(recorded.url, user, password)
                return Camera(name, cameras.with_user(watched.url, user, password), record)
            console.print("  it sends no stream")
        if not typer.confirm("  try again?", default=True):
            return None


def _add_typed(chosen: list[Camera], console: Console) -> None:
    """Ask for addresses until none comes."""
    while url := typer.prompt("address of another camera (rtsp://...; empty: no more)", default="", show_default=False):
        try:
            url = _checked(url)
        except ConfigError as error:
            console.print(str(error))
            continue
        chosen.append(Camera(_ask_name("camera", chosen), url))


def _look(camera: Camera, seconds: float, console: Console) -> None:
    """Say what comes of a camera. One that is away is kept: it may come back, and a run waits for it."""
    address = from_environment(camera.url)
    try:
        with console.status(f"watching {camera.name}, {seconds:g} s"):
            found = probe(StreamSpec(url=address), seconds)
    except CameraError as error:
        console.print(f"{camera.name}: cannot be watched now: {error}")
        return
    console.print(
        f"{camera.name}: {found.codec} {found.width}x{found.height}, {found.measured_fps:.1f} pictures a second"
    )
    for hint in hints(found, address):
        console.print(f"  hint: {hint}")


def _offer_tuning(files: Files, console: Console) -> int:
    if not typer.confirm(f"tune it now for an accuracy, on {TUNE_FOR} of each camera?", default=False):
        console.print(f"later: vidpipe tune {files.pipeline} --config {files.config} --floor 0.9 --for {TUNE_FOR}")
        return 0
    floor = typer.prompt("F1 to hold, against the big model at every frame", default=0.9, type=float)
    return run_tune(TuneArguments(str(files.pipeline), files.config, [], [], floor, "boxes", TUNE_FOR, None))
