"""Live streams on both engines. What must hold:

- ten times as many frames as can be looked at: results stay young, and every frame is accounted for;
- what one stream cannot do is no matter of the others;
- an end that is asked for comes within 5 s, whatever does not answer.
"""

from collections import Counter

import pytest

from tests import clips
from tests.runtime.conftest import BY_INLINE, LIVE_FPS

CLASSES = "classes: {even: even, odd: odd}\n"
SECONDS = 4
FPS = 25


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.encode(tmp_path_factory.mktemp("live") / "clip.mp4", frames=SECONDS * FPS, fps=FPS)


@pytest.mark.long
@pytest.mark.timed
@pytest.mark.parametrize(
    ("runner", "on"), [("inline", "device"), pytest.param("ray", "edge", marks=pytest.mark.ray)], indirect=["runner"]
)
def test_overload_keeps_results_young_and_loses_no_frame(runner, clip, on):
    """Four streams of 25 frames a second, and a model that does ten a second of all of them."""
    pipeline = f"""{CLASSES}
stages:
  - {{id: read, type: mystages:Slow, on: {on}}}
audit: {{rate: 0, max_unchecked_s: null}}
"""
    ran = runner(pipeline, dict.fromkeys("abcd", f"live+file:{clip}"), sets=["streams.a.weight=3"])
    assert ran.outcome.exit_status == 0
    looked_at = {}
    for name in "abcd":
        lines, stream = ran.of(name), ran.report["streams"][name]
        assert [line["seq"] for line in lines] == list(range(SECONDS * FPS))
        assert stream["frames_in"] == sum(stream["how"].values()) == sum(stream["by"].values()) == len(lines)
        assert stream["refused"] > 0.5 * len(lines)
        reasons = Counter(line["reason"] for line in lines)
        assert reasons["overloaded"] > 0.5 * len(lines)
        looked_at[name] = len(lines) - stream["refused"]
        assert max(line["as_of"] for line in lines) > 0.6 * len(lines)  # and late answers are learnt from
    ages = sorted(line["published_at"] - line["captured_at"] for line in ran.lines)
    assert ages[int(0.95 * len(ages))] < 1.0
    assert ran.report["stages"]["read"]["asked"] < 0.25 * len(ran.lines)
    assert looked_at["a"] > 1.5 * max(looked_at[name] for name in "bcd")


@pytest.fixture
def short(live, tmp_path):
    return clips.encode(tmp_path / "clip.mp4", frames=live.frames, fps=LIVE_FPS)


@pytest.mark.long
def test_a_camera_that_does_not_open_does_not_stop_the_others(runner, live, short):
    gone = short.with_name("gone.mp4")
    pipeline = f"{CLASSES}stages: [{{id: read, type: mystages:Read}}]"
    ran = runner(pipeline, {"a": f"live+file:{short}", "b": f"live+file:{gone}"}, **live.turned())
    assert [line["seq"] for line in ran.of("a")] == list(range(live.frames))
    assert ran.outcome.exit_status == 1
    (error,) = ran.outcome.errors
    assert error.startswith(f"stream b broke off: no file {gone}")


def test_where_no_camera_opens_there_is_nothing_to_run(runner, clip):
    from vidpipe.core.errors import SourceError

    pipeline = f"{CLASSES}stages: [{{id: read, type: mystages:Read}}]"
    with pytest.raises(SourceError, match="no file"):
        runner(pipeline, {"b": f"live+file:{clip.with_name('gone.mp4')}"})


@BY_INLINE
def test_a_look_on_its_own_tier_is_no_detour(runner, live, short):
    """The model stands on the device: its answers are waited for, although the stream is live."""
    pipeline = f"{CLASSES}stages: [{{id: read, type: mystages:Read}}]"
    ran = runner(pipeline, {"a": f"live+file:{short}"}, **live.turned())
    how = ran.report["streams"]["a"]["how"]
    assert how["measured"] > 0.9 * live.frames
