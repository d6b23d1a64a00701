"""One stage in its place. What must hold: its CPU time is told without bias, though few of its calls are timed."""

import pytest

from tests.builders import CLASSES, Told, answer, frame
from vidpipe.cascade.runner import StageRunner


@pytest.mark.parametrize("every", [2, 3, 7, 8])
@pytest.mark.parametrize("phase", [0, 1])
def test_a_sample_of_calls_tells_the_cpu_time_of_a_stage_that_works_now_and_then(every, phase):
    """Read at every eighth call, a tracker that takes every second step cost twice what it does, or nothing."""
    used = 0

    def works(frame):
        nonlocal used
        used += 1000 if frame.seq % every == phase else 0
        return answer("track", as_of=frame.seq)

    runner = StageRunner("track", False, False, lambda stream: Told("track", works), CLASSES, lambda: used)
    for seq in range(16000):
        runner.ask([frame(seq)])
    assert runner.meter().asked == 16000
    assert runner.meter().cpu_ns == pytest.approx(used, rel=0.25)
