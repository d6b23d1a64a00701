"""What a terminal is shown of an archive."""

from io import StringIO

import pytest
from rich.console import Console

from vidpipe.archive.archive import Progress
from vidpipe.cli.terminal.archive_table import line, pace, table

HALF = Progress(
    recordings=10, indexed=4, joined=2, left_out=1, chunks=40, done=20, failed=1, at_work=2, media_s=6000, left_s=6000
)


def drawn(progress, seconds):
    out = StringIO()
    Console(file=out, width=80).print(table(progress, seconds))
    return [" ".join(row.split()) for row in out.getvalue().splitlines()]


def test_the_table():
    HALF.now_s = 3000
    assert drawn(HALF, 100) == [
        "in all done at work left failed",
        "recordings 10 2 7 1",
        "chunks 40+ 20 2 18+ 1",
        "30.0 times real time, 12 min left",
    ]


def test_the_line():
    HALF.now_s = 3000
    assert line(HALF, 100) == (
        "2 of 10 recordings, 1 left out; 20 of 40+ chunks, 1 failed; 30.0 times real time, 12 min left"
    )


@pytest.mark.parametrize(
    ("progress", "left_s"),
    [
        (Progress(3), None),
        (Progress(1, 1, chunks=4, done=2, media_s=100, now_s=100, left_s=100), 10),
        (Progress(2, 1, chunks=4, done=2, media_s=100, now_s=100, left_s=100), 30),  # another one as long as the first
        (Progress(2, 2, chunks=4, done=2, media_s=100, now_s=0, left_s=100), None),  # all of an earlier start
    ],
)
def test_time_left(progress, left_s):
    assert pace(progress, 10)[1] == left_s
