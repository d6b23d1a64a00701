"""Opening a video file, and what its header can be believed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
from av.codec.context import Flags
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vidpipe.core.errors import SourceError
from vidpipe.sources.decoding.jpeg import is_whole
from vidpipe.sources.descriptors import too_many

VideoPacket: TypeAlias = "Packet[VideoStream]"

ASSUMED_FPS = 25.0  # where a stream does not say
_BELIEVABLE_FPS = (0.05, 240.0)
_TEXT_ART = {"ansi", "bintext", "idf", "xbin"}  # FFmpeg "plays" any text file
_MP4_ATOMS = {b"ftyp", b"mdat", b"moov", b"wide", b"free", b"skip"}
_LISTS = {"ffconcat": b"ffconcat version", "playlist": b"#EXTM3U"}
_ONE_TIME = {"avi", "matroska", "mov"}  # FFmpeg's names of formats
_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)$")


def open_container(path: Path) -> tuple[InputContainer, VideoStream]:
    """The opened file and its first video stream; the others are not read.

    Raises:
        SourceError: the file is no video, has sound only, or was cut off before its index was written.
    """
    try:
        container = av.open(f"file:{path}")  # the prefix keeps FFmpeg from taking a name with a colon for an address
    except (FFmpegError, OSError) as error:
        raise SourceError(_why_not_open(path, error)) from error
    streams: list[VideoStream] = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    reason = ""
    if not streams:
        reason = "holds no video" + (", only sound" if container.streams.audio else "")
    elif (codec := getattr(streams[0], "name", None)) is None:  # PyAV has no such attribute without a decoder
        reason = "is coded in a way that this build of FFmpeg cannot decode"
    elif codec in _TEXT_ART:
        reason = "is not a video file"
    if reason:
        container.close()
        raise SourceError(f"{path} {reason}; give a video file")
    for other in container.streams:
        if other is not streams[0]:
            other.discard = Discard.all
    return container, streams[0]


def has_one_time(container: InputContainer) -> bool:
    """Whether its time cannot jump back: then a time is in one place of the file, and can be sought."""
    return not _ONE_TIME.isdisjoint(container.format.name.split(","))


def believable_fps(stream: VideoStream) -> float | None:
    """The first announced rate that a camera can have: headers also hold clock rates and field rates."""
    counted: Fraction | None = None
    if stream.frames and stream.duration and stream.time_base:
        counted = stream.frames / (stream.duration * stream.time_base)
    for rate in (stream.average_rate, counted, stream.guessed_rate, stream.base_rate):
        if rate and _BELIEVABLE_FPS[0] <= rate <= _BELIEVABLE_FPS[1]:
            return round(float(rate), 3)
    return None


def prepare(context: VideoCodecContext, threads: int, *, skip_loop_filter: bool = False) -> None:
    """Set a decoder up to give pictures at once, and damaged ones as well.

    Args:
        threads: over the slices of a picture. Whole pictures in parallel come later by as many, and blur which packet
            an error belongs to.
        skip_loop_filter: leave block edges as they are: what builds on such a picture drifts away from the original.
    """
    context.thread_type, context.thread_count = "SLICE", threads
    context.flags |= Flags.output_corrupt  # else H.264 leaves damaged pictures out without a word
    if context.name == "mjpeg":
        context.options["err_detect"] = "explode"  # else it shows them as if they were whole
    if skip_loop_filter:
        context.options["skip_loop_filter"] = "all"


def why_damaged(packet: VideoPacket, context: VideoCodecContext) -> str:
    """What is wrong with a packet that its decoder would not tell, or ""."""
    if context.name == "mjpeg" and not is_whole(bytes(packet)):
        return "cut off before its end"
    return ""


def stamp_of(packet: VideoPacket) -> int | None:
    """When it is to be shown, in ticks; when it is to be decoded, where that is all that is known."""
    return packet.pts if packet.pts is not None else packet.dts


def announced_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    """How long the header says that the video is, or None."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if clock := _CLOCK.match(stream.metadata.get("DURATION", "")):  # Matroska
        hours, minutes, seconds = clock.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return container.duration / av.time_base if container.duration else None


def recorded_at(container: InputContainer, stream: VideoStream) -> float | None:
    """UTC seconds at which the recording says that it began, or None; a clock that was never set counts as silence."""
    text = stream.metadata.get("creation_time") or container.metadata.get("creation_time") or ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp() if moment.year >= 1990 else None


def _why_not_open(path: Path, error: Exception) -> str:
    if why := too_many(error):
        return f"{path} cannot be opened: {why}"
    if not path.is_file():
        return f"what comes from {path} is no video that can be read"
    if listed := _list_of_files(path):
        return f"{path} is no video, but a list of files ({listed}): give those files, or their folder, themselves"
    if _lacks_index(path):
        return (
            f"{path} has no index (moov): the recording was cut off before it was finished; repair it with untrunc, "
            "and record to .mkv or .ts, which need no index"
        )
    if isinstance(error, PermissionError):
        return f"{path} may not be read by this user; change its permissions"
    if not path.stat().st_size:
        return f"{path} is empty (0 bytes); give a video file"
    if isinstance(error, EOFError):
        return f"{path} ends before its first picture; give another file"
    return f"{path} is not a video file; give one that ffprobe can read"


def _list_of_files(path: Path) -> str:
    """The kind of a list of videos, or "" where it is none."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return ""
    return next((kind for kind, mark in _LISTS.items() if head.startswith(mark)), "")


def _lacks_index(path: Path) -> bool:
    """Whether a file looks like MP4 and its top-level atoms end without `moov`."""
    size, position = path.stat().st_size, 0
    kinds: set[bytes] = set()
    try:
        with path.open("rb") as file:
            while position + 8 <= size:
                file.seek(position)
                head = file.read(16)
                length, kind = int.from_bytes(head[:4], "big"), head[4:8]
                if not kinds and kind not in _MP4_ATOMS:
                    return False
                kinds.add(kind)
                if length == 1:
                    length = int.from_bytes(head[8:16], "big")
                if length < 8:  # 0: to the end of the file
                    break
                position += length
    except OSError:
        return False
    return bool(kinds) and b"moov" not in kinds
