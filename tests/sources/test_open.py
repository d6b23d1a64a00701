"""What a user writes behind --source becomes streams with good names, or one clear line."""

import contextlib
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from tests import clips
from vidpipe.core import extensions
from vidpipe.core.errors import SourceError
from vidpipe.core.frame import Frame
from vidpipe.core.registry import SOURCES
from vidpipe.core.settings import Knobs
from vidpipe.sources import open as opening
from vidpipe.sources.address import Address
from vidpipe.sources.base import Resume, Source, StreamSpec
from vidpipe.sources.cameras.connection import Connection
from vidpipe.sources.cameras.errors import CameraError
from vidpipe.sources.files.file import FileSource
from vidpipe.sources.open import expand, open_source
from vidpipe.sources.own import PictureSource, Shot


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.mp4", "a.mkv", "a.avi", "C D.MOV", "notes.txt", "lot=3.mp4", "day[1].mp4", "yard.bin"):
        (tmp_path / name).touch()
    (tmp_path / "night").mkdir()
    for name in ("x.ts", "b.mp4"):
        (tmp_path / "night" / name).touch()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


ALL = {"C-D": "C D.MOV", "a": "a.avi", "a-2": "a.mkv", "b": "b.mp4", "day-1": "day[1].mp4", "lot-3": "lot=3.mp4"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["b.mp4"], {"b": "b.mp4"}),
        (["./b.mp4"], {"b": "b.mp4"}),
        (["yard.bin"], {"yard": "yard.bin"}),
        (["C D.MOV"], {"C-D": "C D.MOV"}),
        (["day[1].mp4"], {"day-1": "day[1].mp4"}),
        (["lot=3.mp4"], {"lot-3": "lot=3.mp4"}),
        (["gate=b.mp4"], {"gate": "b.mp4"}),
        (["gate=lot=3.mp4"], {"gate": "lot=3.mp4"}),
        (["night"], {"b": "night/b.mp4", "x": "night/x.ts"}),
        (["cam=night/"], {"cam-b": "night/b.mp4", "cam-x": "night/x.ts"}),
        (["."], ALL),
        (["*.m*"], {"a": "a.mkv", "b": "b.mp4", "day-1": "day[1].mp4", "lot-3": "lot=3.mp4"}),
        (["**/b.mp4"], {"b": "b.mp4", "b-2": "night/b.mp4"}),
        (["cam=night/*.ts"], {"cam-x": "night/x.ts"}),
        (["b.mp4", "night", "b-2=a.avi"], None),
        (["b.mp4", "night"], {"b": "b.mp4", "b-2": "night/b.mp4", "x": "night/x.ts"}),
        (["b.mp4", "b.mp4"], {"b": "b.mp4", "b-2": "b.mp4"}),
    ],
)
def test_expand(folder: Path, arguments: list[str], expected: dict[str, str] | None) -> None:
    if expected is None:
        with pytest.raises(SourceError, match="there is a stream b-2 already"):
            expand(*arguments)
        return
    found = expand(*arguments)
    assert {name: str(Path(url).relative_to(folder)) for name, url in found.items()} == expected
    assert list(found) == list(expected)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Двор 1.mp4", "Двор-1"),
        ("門口.mp4", "門口"),
        ("हिन्दी.mp4", "हिन्दी"),
        ("cafe\u0301.mp4", "caf\u00e9"),
        ("C D.MOV", "C-D"),
    ],
)
def test_names_keep_the_letters_of_any_script(folder: Path, file: str, name: str) -> None:
    (folder / file).touch()
    assert list(expand(file)) == [name]
    assert list(expand(f"{name}={file}")) == [name]


def test_recordings_whose_names_have_no_letter_are_told_apart_also_in_two_runs(folder: Path) -> None:
    for file in ("!!.mp4", "??.mp4"):
        (folder / file).touch()
    (one,), (other,) = expand("!!.mp4"), expand("??.mp4")
    assert one != other
    assert {one, other} == set(expand("!!.mp4", "??.mp4"))


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("sftp://root:secret@10.0.0.7/live?a=b", {"camera": "sftp://root:secret@10.0.0.7/live?a=b"}),
        ("door=sftp://root:secret@10.0.0.7/live", {"door": "sftp://root:secret@10.0.0.7/live"}),
    ],
)
def test_an_address_never_becomes_a_name(argument: str, expected: dict[str, str]) -> None:
    assert expand(argument) == expected


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("b.mpeg", r"no file b\.mpeg; did you mean b\.mp4\?"),
        ("night/y.ts", r"no file night/y\.ts; did you mean night/x\.ts\?"),
        ("nihgt/x.ts", r"no file nihgt/x\.ts: there is no folder nihgt"),
        ("qqqqqqqq.webm", r"no file qqqqqqqq\.webm; look into /"),
        ("gate=nothing-like-it.webm", r"no file nothing-like-it\.webm; look into /"),
        ("empty", r"folder empty holds no video file \(avi, m4v, "),
        ("*.wmv", r"\*\.wmv matches no video file"),
        ("my gate=b.mp4", r"write NAME=PATH, a name of letters"),
        ("=b.mp4", r"write NAME=PATH"),
        ("gate=", r"write NAME=PATH"),
    ],
)
def test_expand_says_what_is_wrong(folder: Path, argument: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        expand(argument)


def test_open_source_opens_files(tmp_path: Path) -> None:
    path = clips.encode(tmp_path / "clip.mp4")
    source = open_source("cam", StreamSpec(url=str(path)), knobs=Knobs(version=3), resume=Resume(27, 27 / 25))
    found = list(source)
    assert [(item.stream, item.seq) for item in found] == [("cam", 28), ("cam", 29)]
    assert source.info.name == "cam"
    assert source.info.frames == 30


def _no_index(path: Path) -> None:
    clips.cut(clips.encode(path.with_name("whole.mp4")), path, 0.6)


def _no_pictures(path: Path) -> None:
    data = clips.encode(path.with_name("whole.avi"), codec="mpeg4").read_bytes()
    path.write_bytes(data[: data.index(b"movi") + 4])


def _all_broken(path: Path) -> None:
    clean = clips.encode(path.with_name("whole.avi"), codec="mjpeg", pix_fmt="yuvj420p", frames=3)
    clips.scribble(clean, path, [0, 1, 2])


def _listed(path: Path) -> None:
    path.write_text("ffconcat version 1.0\nfile '/nowhere/a.mp4'\n")


BROKEN: list[tuple[str, Callable[[Path], object], str]] = [
    ("clip.mp4", _no_index, r"clip\.mp4 has no index \(moov\): the recording was cut off before it was finished"),
    ("clip.mp4", clips.tone, r"clip\.mp4 holds no video, only sound"),
    ("clip.avi", _no_pictures, r"clip\.avi holds no picture that can be decoded"),
    ("clip.avi", _all_broken, r"clip\.avi holds no picture that can be decoded"),
    ("clip.mp4", lambda path: path.touch(), r"clip\.mp4 is empty \(0 bytes\)"),
    ("clip.mp4", lambda path: path.write_bytes(bytes(5000)), r"clip\.mp4 is not a video file"),
    ("clip.mp4", lambda path: path.write_text("hello " * 500), r"clip\.mp4 is not a video file"),
    ("clip.ffconcat", _listed, r"clip\.ffconcat is no video, but a list of files \(ffconcat\): give those files"),
    ("clip.m3u8", lambda path: path.write_text("#EXTM3U\na.ts\n"), r"clip\.m3u8 is no video, but a list of files"),
    ("clip.txt", lambda path: path.write_text("hello " * 500), r"clip\.txt is not a video file"),
    ("clip.mp4", lambda path: path.mkdir(), r"stream cam: .*clip\.mp4 is a folder"),
    ("clip.mp4", lambda path: path.with_name("clap.mp4").touch(), r"no file .*clip\.mp4; did you mean .*clap\.mp4\?"),
]


@pytest.mark.parametrize(("name", "make", "message"), BROKEN)
def test_what_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path, name: str, make: Callable[[Path], object], message: str
) -> None:
    make(tmp_path / name)
    with pytest.raises(SourceError, match=message) as refused:
        open_source("cam", StreamSpec(url=str(tmp_path / name)), knobs=Knobs())
    assert "\n" not in str(refused.value)


def test_addresses_are_refused_without_their_password() -> None:
    with pytest.raises(SourceError, match=r"stream door: addresses of kind sftp:// cannot be read") as refused:
        open_source("door", StreamSpec(url="sftp://root:secret@10.0.0.7/live"), knobs=Knobs())
    assert "secret" not in str(refused.value)


def test_a_camera_is_no_file_to_play() -> None:
    url = "live+file:rtsp://ann:s3cret@host/x"
    for ask in (lambda: expand(f"cam={url}"), lambda: open_source("cam", StreamSpec(url=url), knobs=Knobs())):
        with pytest.raises(SourceError, match="give a camera's address without it") as refused:
            ask()
        assert "s3cret" not in str(refused.value)


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def _fed(pipe: Path, data: bytes) -> threading.Thread:
    def feed() -> None:
        with contextlib.suppress(BrokenPipeError):
            pipe.write_bytes(data)

    feeding = threading.Thread(target=feed, daemon=True)
    feeding.start()
    return feeding


def test_what_is_waited_for_is_said_where_a_pipe_stays_empty(
    tmp_path: Path, pipe: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(opening, "TELL_S", 0.05)
    found: list[Source] = []
    spec = StreamSpec(url=str(pipe))
    waiting = threading.Thread(target=lambda: found.append(open_source("cam", spec, knobs=Knobs())), daemon=True)
    waiting.start()
    deadline = time.monotonic() + 10
    while not caplog.records and time.monotonic() < deadline:
        time.sleep(0.01)
    said = f"stream cam: nothing has come from {pipe} for 0.05 s; waiting for whoever writes to that pipe"
    assert [record.getMessage() for record in caplog.records] == [said]
    _fed(pipe, clips.encode(tmp_path / "clip.ts").read_bytes())
    waiting.join(10)
    assert len(list(found[0])) == 30


def test_a_pipe_is_read_once_also_where_a_file_would_be_sought(tmp_path: Path, pipe: Path) -> None:
    _fed(pipe, clips.encode(tmp_path / "clip.mkv", frames=60).read_bytes())
    source = open_source("cam", StreamSpec(url=str(pipe), start_s=2), knobs=Knobs())
    assert [clips.number(item.luma()) for item in source if isinstance(item, Frame)] == list(range(50, 60))


@pytest.mark.parametrize("data", [b"", b"hello " * 500], ids=["nothing", "rubbish"])
def test_a_pipe_from_which_no_video_comes_is_said(pipe: Path, data: bytes) -> None:
    _fed(pipe, data)
    with pytest.raises(SourceError, match=r"what comes from .*pipe is no video that can be read"):
        open_source("cam", StreamSpec(url=str(pipe)), knobs=Knobs())


@pytest.fixture
def no_more_files() -> Iterator[None]:
    """As after `ulimit -n 24` in a process that has all that many open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (24, before[1]))
    taken: list[int] = []
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    yield
    for number in taken:
        os.close(number)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


TOO_MANY = "this process has too many files open, of 24 that it may have: raise the limit with ulimit -n 4096"


def test_too_many_open_files_are_not_blamed_on_the_file(folder: Path, no_more_files: None) -> None:
    with pytest.raises(SourceError, match=rf"b\.mp4 cannot be opened: {TOO_MANY}"):
        FileSource("cam", StreamSpec(url="b.mp4"), knobs=Knobs())
    for ask in (lambda: expand("night"), lambda: expand("c.mp4"), lambda: Address("${file:notes.txt}").reveal()):
        with pytest.raises(SourceError, match=TOO_MANY):
            ask()
    for url in ("rtsp://127.0.0.1:9/a", "http://127.0.0.1:9/a"):
        with pytest.raises(CameraError, match=TOO_MANY):
            Connection(StreamSpec(url=url))


class Thermal(PictureSource):
    """Stands for a source of an installed package."""

    live = True

    def pictures(self) -> Iterator[Shot]:
        return iter(())


def test_an_installed_package_may_bring_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    entry = EntryPoint("thermal", "tests.sources.test_open:Thermal", SOURCES.group)
    monkeypatch.setattr(extensions, "entry_points", lambda group: [entry] if group == SOURCES.group else [])
    assert expand("thermal", "roof=thermal") == {"thermal": "thermal", "roof": "thermal"}
    source = open_source("roof", StreamSpec(url="thermal"), knobs=Knobs())
    assert source.info.live
    source.close()
    (tmp_path / "thermal").touch()  # what lies on disk is meant
    assert not StreamSpec(url="thermal").live
