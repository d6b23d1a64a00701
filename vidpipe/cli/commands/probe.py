"""`vidpipe probe`: what a camera sends, how it can be watched cheaply, or why it cannot be watched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from vidpipe.cli.camera_hints import hints
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.sources.address import from_environment, is_camera
from vidpipe.sources.base import StreamSpec

if TYPE_CHECKING:
    from vidpipe.sources.cameras.probe import Findings


def run_probe(url: str, *, seconds: float, transport: str, tls_verify: bool) -> int:
    """Print what is found; the exit status.

    Raises:
        ConfigError: it is no address of a camera.
        RunError: the camera cannot be watched; says why.
    """
    from vidpipe.sources.cameras.errors import CameraError
    from vidpipe.sources.cameras.probe import probe

    address = from_environment(url)
    if not is_camera(address):
        raise ConfigError("probe looks at cameras: give an address that begins with rtsp://, rtsps:// or http://")
    spec = StreamSpec.model_validate({"url": address, "transport": transport, "tls_verify": tls_verify})
    try:
        found = probe(spec, seconds)
    except CameraError as error:
        raise RunError(f"the camera cannot be watched: {error}") from None
    console = Console(markup=False, highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in _rows(found):
        table.add_row(name, value)
    console.print(table)
    for hint in hints(found, address):
        console.print(f"hint: {hint}")
    return 0


def _rows(found: Findings) -> Iterator[tuple[str, str]]:
    yield "codec", " ".join(filter(None, [found.codec, found.profile]))
    yield "size", f"{found.width}x{found.height}, {found.pixels}" if found.width else "no whole picture came"
    announced = f"{found.announced_fps:g}" if found.announced_fps else "nothing"
    yield "pictures a second", f"{found.measured_fps:.1f} measured, {announced} announced"
    yield "bit rate", f"{found.kbit_s:.0f} kbit/s"
    yield "key frames", _groups(found)
    yield "B-frames", "yes" if found.b_frames else "none"
    yield "camera's clock", _clock(found)
    yield "connection", f"{found.transport or 'http or device'}, open after {found.opened_s:.2f} s, {_first(found)}"
    if found.damaged:
        yield "damaged", f"{found.damaged} pictures"


def _groups(found: Findings) -> str:
    if found.group_s is None:
        return "fewer than two came: watch for longer with --seconds"
    least, most = min(found.groups), max(found.groups)
    every = f"every {most}" if least == most else f"every {least} to {most}"
    return f"{every} pictures, at most {found.group_s:.1f} s apart"


def _clock(found: Findings) -> str:
    offset_s = found.sender_offset_s
    if offset_s is None:
        return "not told (no RTCP sender report yet)"
    return f"{abs(offset_s):.2f} s {'behind' if offset_s >= 0 else 'ahead of'} ours, the way here included"


def _first(found: Findings) -> str:
    return "no picture" if found.first_picture_s is None else f"first picture after {found.first_picture_s:.2f} s"
