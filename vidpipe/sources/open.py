"""From what the user wrote to open streams."""

from __future__ import annotations

import difflib
import glob
import hashlib
import logging
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import SourceError
from vidpipe.core.settings import Knobs
from vidpipe.sources.address import from_environment, is_camera, looks_secret
from vidpipe.sources.base import LIVE_FILE, Resume, Source, StreamInfo, StreamSpec
from vidpipe.sources.decoding.packets import PacketRing, Packets
from vidpipe.sources.descriptors import too_many
from vidpipe.sources.own import is_own
from vidpipe.sources.view import View

log = logging.getLogger(__name__)

EXTENSIONS = frozenset({".mp4", ".mkv", ".avi", ".mov", ".ts", ".webm", ".m4v", ".mpg"})
"""What counts as a video file in a folder or behind a glob; a file given by name may be called anything."""

TELL_S = 3.0  # that opening a recording may take in silence


def open_source(
    name: str,
    spec: StreamSpec,
    *,
    knobs: Knobs,
    resume: Resume | None = None,
    clock: Clock = REAL,
    ring: PacketRing | None = None,
) -> Source:
    """Open one stream.

    Args:
        name: of the stream, for results and metrics.
        resume: go on behind this picture of an earlier run.
        clock: that tells when pictures come, and are due.
        ring: keeps what a camera sends; None: nobody wants it.

    Raises:
        SourceError: it cannot be read at all.
    """
    if is_camera(spec.url):
        from vidpipe.sources.cameras.camera import CameraSource

        try:
            return CameraSource(name, spec, knobs=knobs, resume=resume, clock=clock, ring=ring)
        except SourceError as error:
            raise SourceError(f"stream {name}: {error}") from None
    if is_own(spec.url):
        from vidpipe.sources.own_stream import open_own

        info = StreamInfo(name, 0, 0, None, None, spec.live)
        return open_own(name, spec, info, knobs=knobs, resume=resume, view=View.of(spec), clock=clock)
    with _plainly():
        path = _existing(_place(spec.url))
    if path.is_dir():
        raise SourceError(f"stream {name}: {path} is a folder; give one file, or the folder with --source")
    # PyAV loads FFmpeg: paid by those who decode.
    from vidpipe.sources.files.file import FileSource
    from vidpipe.sources.files.live import LiveFileSource

    with _told_if_slow(name, path):
        return (LiveFileSource if spec.live else FileSource)(name, spec, knobs=knobs, resume=resume, clock=clock)


def packets_of(name: str, spec: StreamSpec, source: Source, ring: PacketRing, clock: Clock = REAL) -> Packets | None:
    """Where the encoded pictures of an open stream can be had again; None where they cannot: of a user's own source.

    Args:
        ring: that a camera's are kept in. Those of a recording are read again from its file.
    """
    if is_camera(spec.url):
        from vidpipe.sources.cameras.camera import CameraSource
        from vidpipe.sources.cameras.recorder import Recorder

        assert isinstance(source, CameraSource)
        return ring if spec.record_url is None else Recorder(name, spec, ring, source, clock)
    from vidpipe.sources.files.file import FileSource
    from vidpipe.sources.files.live import LiveFileSource

    return source.packets(ring.max_bytes) if isinstance(source, FileSource | LiveFileSource) else None


def expand(*arguments: str) -> dict[str, str]:
    """The streams that `--source [NAME=]URL_OR_PATH` asks for: their names and addresses, in order.

    A file is one stream, named by NAME or its stem. A folder or a glob is one stream for each video file in it, sorted,
    named by the stem or NAME-stem. `live+file:` before any of them holds for all. Names that were not given and meet
    are told apart by -2, -3, ...; an address without NAME is called camera, for it may hold a password. `${env:NAME}`
    is looked up.

    Raises:
        SourceError: nothing is there, or a NAME is given twice or cannot be a file's name.
    """
    streams: dict[str, str] = {}
    for argument in arguments:
        with _plainly():
            _add(streams, argument)
    return streams


def _add(streams: dict[str, str], argument: str) -> None:
    """The streams of one argument, behind those that there are."""
    name, written = _split(argument)
    if is_own(written):
        streams[_unused(name or written.rpartition(":")[2], streams)] = written
        return
    address = from_environment(written)
    place = _place(address)
    live = LIVE_FILE if place != address else ""
    if is_camera(place):
        found = [(name or "camera", address)]
    elif (files := _files(place)) is None:
        found = [(name or _safe(Path(place).stem), f"{live}{_existing(place).absolute()}")]
    else:
        prefix = f"{name}-" if name else ""
        found = [(prefix + _safe(file.stem), f"{live}{file.absolute()}") for file in files]
    for wanted, url in found:
        if wanted == name and name in streams:
            raise SourceError(f"--source {name}=...: there is a stream {name} already; give each its own name")
        streams[_unused(wanted, streams)] = url


@contextmanager
def _plainly() -> Iterator[None]:
    """Say in our own words that too many files are open to look for others."""
    try:
        yield
    except OSError as error:
        if why := too_many(error):
            raise SourceError(why) from None
        raise


@contextmanager
def _told_if_slow(name: str, path: Path) -> Iterator[None]:
    """Say what is waited for, where opening takes long: nobody knows whether a pipe will ever be written to."""
    awaited = "whoever writes to that pipe" if path.is_fifo() else "its storage"
    said = ("stream %s: nothing has come from %s for %g s; waiting for %s", name, path, TELL_S, awaited)
    timer = threading.Timer(TELL_S, log.warning, said)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _place(url: str) -> str:
    """What stands behind `live+file:`, if that is there. Raises SourceError for an address where a path should be.

    What may be an address is refused before a message about a path repeats it.
    """
    place = url.removeprefix(LIVE_FILE)
    if place != url and is_camera(place):
        raise SourceError(f"{LIVE_FILE} plays a file; give a camera's address without it")
    if not is_camera(place) and looks_secret(place) and not Path(place).expanduser().exists():
        raise SourceError(
            "no such file; if it is a camera's address, begin it with rtsp://, rtsps://, http:// or https://"
        )
    return place


def _split(argument: str) -> tuple[str, str]:
    """NAME or "", and what it names; "=" may also be part of a path that exists, or stand behind the first "/"."""
    name, equals, place = argument.partition("=")
    if not equals or "/" in name or name.startswith(LIVE_FILE) or Path(argument).expanduser().exists():
        return "", argument
    if not name or not place or not all(map(_is_plain, name)):
        raise SourceError(f"--source {name}=...: write NAME=PATH, a name of letters, digits, '.', '_' and '-'")
    return name, place


def _files(place: str) -> list[Path] | None:
    """The video files that a folder or a glob stands for; None for a single file."""
    path = Path(place).expanduser()
    if path.is_dir():
        files = _videos(path.iterdir())
        if not files:
            raise SourceError(f"folder {path} holds no video file ({_endings()})")
        return files
    if path.exists() or not glob.has_magic(place):
        return None
    # Path.glob takes no absolute pattern.
    files = _videos(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207
    if not files:
        raise SourceError(f"{place} matches no video file ({_endings()}); quote it, and look with ls")
    return files


def _videos(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.suffix.lower() in EXTENSIONS and path.is_file())


def _existing(place: str) -> Path:
    path = Path(place).expanduser()
    if path.exists():
        return path
    folder = path.parent
    if not folder.is_dir():
        raise SourceError(f"no file {path}: there is no folder {folder}")
    nearest = difflib.get_close_matches(path.name, sorted(entry.name for entry in folder.iterdir()), n=1, cutoff=0.5)
    way_out = f"did you mean {folder / nearest[0]}?" if nearest else f"look into {folder.resolve()}"
    raise SourceError(f"no file {path}; {way_out}")


def _safe(stem: str) -> str:
    """A name of letters of any script, digits, '.', '_' and '-'; one that has none of them is told by its hash."""
    whole = unicodedata.normalize("NFC", stem)  # some file systems write an accent as a character of its own
    plain = "".join(char if _is_plain(char) else " " for char in whole)
    return (
        "-".join(plain.split()).strip("-.") or f"stream-{hashlib.sha256(stem.encode(errors='replace')).hexdigest()[:8]}"
    )


def _is_plain(char: str) -> bool:
    """Whether it may stand in a name: scripts such as Devanagari write vowels as marks, not as letters."""
    return char in "._-" or unicodedata.category(char)[0] in "LMN"


def _unused(name: str, taken: dict[str, str]) -> str:
    candidate, count = name, 1
    while candidate in taken:
        count += 1
        candidate = f"{name}-{count}"
    return candidate


def _endings() -> str:
    return ", ".join(sorted(ending[1:] for ending in EXTENSIONS))
