"""Real clips: every picture is there, at its time, and a restart goes on exactly behind the last one."""

from pathlib import Path

import pytest

from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import Resume, StreamSpec
from vidpipe.sources.files.file import FileSource

pytestmark = pytest.mark.footage

CLIPS = [
    ("vtest.avi", 795, (768, 576), 10),
    ("TUD-Stadtmitte.mp4", 179, (640, 480), 25),
    ("car-detection.mp4", 377, (768, 432), 12.5),
    ("junction.mp4", 252, (960, 540), 30),
    ("highway.avi", 1699, (320, 240), 60),  # the rate is its header's; B-frames packed in pairs
]


@pytest.mark.parametrize(("name", "count", "size", "fps"), CLIPS)
def test_whole_and_behind_a_restart(assets: Path, name: str, count: int, size: tuple[int, int], fps: float) -> None:
    spec = StreamSpec(url=str(assets / "videos" / name))

    def run(resume: Resume | None = None) -> list[tuple[int, float, int]]:
        found = []
        for frame in source if resume is None else FileSource("cam", spec, knobs=Knobs(), resume=resume):
            assert isinstance(frame, Frame)
            assert (frame.width, frame.height) == size
            found.append((frame.seq, frame.pts, hash(frame.luma().tobytes())))
        return found

    source = FileSource("cam", spec, knobs=Knobs())
    whole = run()
    assert [seq for seq, _, _ in whole] == list(range(count))
    assert [pts for _, pts, _ in whole] == pytest.approx([i / fps for i in range(count)], abs=1e-3)
    assert source.info.fps == fps
    assert source.info.frames == pytest.approx(count, abs=1)
    assert source.notes == []
    for at in (count // 3, count * 7 // 8):
        assert run(Resume(*whole[at][:2])) == whole[at + 1 :]
