"""What a user writes behind --source becomes streams with good names, or one clear line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import clips
from vidpipe.errors import SourceError
from vidpipe.knobs import Knobs
from vidpipe.sources.base import Resume, StreamSpec
from vidpipe.sources.open import expand, open_source


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


BROKEN: list[tuple[str, Callable[[Path], object], str]] = [
    ("clip.mp4", _no_index, r"clip\.mp4 has no index \(moov\): the recording was cut off before it was finished"),
    ("clip.mp4", clips.tone, r"clip\.mp4 holds no video, only sound"),
    ("clip.avi", _no_pictures, r"clip\.avi holds no picture that can be decoded"),
    ("clip.avi", _all_broken, r"clip\.avi holds no picture that can be decoded"),
    ("clip.mp4", lambda path: path.touch(), r"clip\.mp4 is empty \(0 bytes\)"),
    ("clip.mp4", lambda path: path.write_bytes(bytes(5000)), r"clip\.mp4 is not a video file"),
    ("clip.mp4", lambda path: path.write_text("hello " * 500), r"clip\.mp4 is not a video file"),
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
