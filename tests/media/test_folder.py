"""The folder: names, whole files or none, and what goes first when there is too much."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import until
from vidpipe.core.errors import ConfigError
from vidpipe.media.folder import MediaFolder, check_folder
from vidpipe.media.spec import MediaSpec
from vidpipe.media.writer import MediaWriter
from vidpipe.testing.clock import HandClock

AT = 1_700_000_000.0  # 2023-11-14 22:13:20


def folder(tmp_path: Path, **spec: Any) -> tuple[MediaFolder, HandClock]:
    clock = HandClock(AT)
    made = MediaFolder(MediaSpec(folder=str(tmp_path / "media"), **spec), clock)
    made.open()
    return made, clock


def there(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "media").rglob("*") if path.is_file())


def put(made: MediaFolder, clock: HandClock, at: float, name: str, suffix: str = ".jpg", size: int = 1000) -> Path:
    path = made.place("cam", AT + at, at, name, suffix)
    made.write(path, lambda to: to.write_bytes(bytes(size)))
    os.utime(path, (AT + at, AT + at))
    return path


def test_names_tell_stream_day_time_and_rule(tmp_path: Path) -> None:
    made, _ = folder(tmp_path)
    path = made.place("gate", AT + 1.25, 7.0, "lurks-3", ".jpg")
    assert path == tmp_path / "media" / "gate" / "2023-11-14" / "221321.250-lurks-3.jpg"
    assert made.place("gate", AT + 1.25, 7.0, "lurks-3", ".jpg").name == "221321.250-lurks-3-2.jpg"
    assert made.place("gate", None, 67.5, "lurks", ".mp4").relative_to(tmp_path) == Path(
        "media/gate/undated/000107.500-lurks.mp4"
    )


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../../x", "a\0b", "ü" * 50, "*"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    made, clock = folder(tmp_path)
    path = made.place(name, AT, 0.0, name, ".jpg")
    made.write(path, lambda to: to.write_bytes(b"x"))
    assert path.resolve().is_relative_to((tmp_path / "media").resolve())
    assert len(path.relative_to(tmp_path / "media").parts) == 3
    clock.turn(3000 * 86_400)
    put(made, clock, 3000 * 86_400, "next")
    assert not path.exists()  # it is one of those that are known to be ours


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    made, _ = folder(tmp_path)

    def breaks(to: Path) -> None:
        to.write_bytes(b"half")
        raise OSError(errno.EIO, "broken")

    path = made.place("cam", AT, 0.0, "x", ".jpg")
    with pytest.raises(OSError, match="broken"):
        made.write(path, breaks)
    assert there(tmp_path) == []


def test_half_files_of_a_killed_run_are_deleted_once_nobody_writes_them(tmp_path: Path) -> None:
    made, clock = folder(tmp_path)
    left = put(made, clock, 0, "a").with_name(".221320.000-b.mp4.part")
    strange = left.with_name(".mine.part")
    for path in (left, strange):
        path.write_bytes(b"half")
        os.utime(path, (AT, AT))
    clock.turn(700)
    put(made, clock, 700, "c")
    assert left.exists()
    clock.turn(3600)
    put(made, clock, 4300, "d")
    assert not left.exists()
    assert strange.exists()


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    made, clock = folder(tmp_path, keep_days=1)
    old = put(made, clock, 0, "old")
    clock.turn(80_000)
    put(made, clock, 80_000, "young")
    clock.turn(7000)
    put(made, clock, 87_000, "new")
    assert not old.exists()
    assert {name.split("-")[1] for name in there(tmp_path)} == {"young.jpg", "new.jpg"}


def test_too_much_costs_the_oldest_clips_then_the_oldest_pictures(tmp_path: Path) -> None:
    made, clock = folder(tmp_path, max_gb=10e-6)  # 10 kB
    (tmp_path / "media" / "cam" / "2023-11-14").mkdir(parents=True)
    others = [tmp_path / "media" / "mine.mp4", tmp_path / "media" / "cam" / "2023-11-14" / "holiday.mp4"]
    for path in others:
        path.write_bytes(bytes(20_000))
    for at in range(4):
        put(made, clock, at, f"p{at}")
    for at in range(4, 8):
        put(made, clock, at, f"c{at}", ".mp4", 1500)
    names = [name.split("-")[1] for name in there(tmp_path) if "-" in name]
    assert names == ["p0.jpg", "p1.jpg", "p2.jpg", "p3.jpg", "c4.mp4", "c5.mp4", "c6.mp4", "c7.mp4"]
    put(made, clock, 8, "c8", ".mp4", 1500)  # 11.5 kB: 1.5 too much, and a quarter of that
    names = [name.split("-")[1] for name in there(tmp_path) if "-" in name]
    assert names == ["p0.jpg", "p1.jpg", "p2.jpg", "p3.jpg", "c6.mp4", "c7.mp4", "c8.mp4"]
    for at in range(9, 16):
        put(made, clock, at, f"p{at}")
    names = [name.split("-")[1] for name in there(tmp_path) if "-" in name]
    assert not any(name.endswith("mp4") for name in names)
    put(made, clock, 17, "last", ".jpg", 3000)
    assert "p0.jpg" not in [name.split("-")[1] for name in there(tmp_path) if "-" in name]
    assert all(path.exists() for path in others)


def test_what_is_too_old_goes_also_while_nothing_happens(tmp_path: Path) -> None:
    """And it is counted for the stream that it is of."""
    clock = HandClock(AT)
    writer = MediaWriter(MediaSpec(folder=str(tmp_path / "media"), keep_days=1), clock)
    writer.open()
    path = writer.folder.place("old gate", AT, 0.0, "rule", ".jpg")
    writer.folder.write(path, lambda to: to.write_bytes(b"x"))
    os.utime(path, (AT, AT))
    clock.turn(86_401)
    until(lambda: clock.turn(601) or not path.exists())
    until(lambda: writer.counts.of_all() == {"old gate": {"deleted": 1}})
    writer.close()


@pytest.mark.parametrize("half", [2000, 0])
def test_a_full_disk_is_met_by_deleting_what_may_go(tmp_path: Path, half: int) -> None:
    made, clock = folder(tmp_path)
    old = put(made, clock, 0, "old", ".mp4", 5000)
    picture = put(made, clock, 1, "picture")

    def write(to: Path) -> None:
        to.write_bytes(bytes(half))
        if old.exists():
            raise OSError(errno.ENOSPC, "full")

    path = made.place("cam", AT + 2, 2.0, "new", ".mp4")
    made.write(path, write)
    assert path.exists()
    assert not old.exists()
    assert picture.exists()


def test_a_disk_that_stays_full_is_told(tmp_path: Path) -> None:
    made, _ = folder(tmp_path)

    def write(to: Path) -> None:
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        made.write(made.place("cam", AT, 0.0, "new", ".mp4"), write)
    assert there(tmp_path) == []


def test_a_folder_that_cannot_be_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    spec = MediaSpec(folder=str(tmp_path / "file" / "media"))
    with pytest.raises(ConfigError, match="cannot be made"):
        MediaFolder(spec, HandClock()).open()
    with pytest.raises(ConfigError, match="file"):
        check_folder(spec)
    check_folder(MediaSpec(folder=str(tmp_path / "not" / "yet")))
    assert not (tmp_path / "not").exists()


def test_what_lies_beside_a_folder_to_be_made_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    check_folder(MediaSpec(folder=str(tmp_path / "media")))


def test_a_process_that_is_killed_leaves_no_half_file_under_its_name(tmp_path: Path) -> None:
    program = f"""
import os, signal
from vidpipe.core.clock import REAL
from vidpipe.media.folder import MediaFolder
from vidpipe.media.spec import MediaSpec
from vidpipe.media.writer import MediaWriter

def write(to):
    to.write_bytes(bytes(1000))
    os.kill(os.getpid(), signal.SIGKILL)

folder = MediaFolder(MediaSpec(folder={str(tmp_path / "media")!r}), REAL)
folder.open()
folder.write(folder.place("cam", {AT}, 0.0, "rule", ".mp4"), write)
"""
    ended = subprocess.run([sys.executable, "-c", program], timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert there(tmp_path) == [".221320.000-rule.mp4.part"]
