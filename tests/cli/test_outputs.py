"""Outputs: what a run that is refused leaves alone, by whatever paths and links its files are named."""

from __future__ import annotations

import itertools
import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests import clips
from tests.cli.conftest import READ
from tests.lines import answers
from tests.runtime.conftest import Runner
from vidpipe.cli.commands.run import RunOptions, run_pipeline
from vidpipe.core.errors import VidpipeError

OPTIONS = ("results", "events", "report", "video")
INPUTS = ("clip.mp4", "pipeline.yaml", "config.yaml", "mystages.py")
ALIASES = ("{}", "./{}", "sub/../{}", "{folder}/{}", "link-{}", "hard-{}", "sub/link-{}")
ELSEWHERE = (
    "new.mp4",
    "old.mp4",
    "old.mp4.1",
    "sub",
    "nowhere/x.mp4",
    "old.mp4/x.mp4",
    "read-only/x.mp4",
    "dangling.mp4",
)
DEVICES = ("/dev/null", "/dev/full")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.encode(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=3, size=(144, 64))


@pytest.fixture
def folder(tmp_path, clip, monkeypatch):
    """Inputs, each under many names; an earlier output; folders in which nothing can be written, or that are none."""
    folder = tmp_path
    (folder / "sub").mkdir()
    (folder / "clip.mp4").write_bytes(clip.read_bytes())
    (folder / "pipeline.yaml").write_text(READ)
    (folder / "config.yaml").write_text("streams: {cam: {url: clip.mp4}}")
    Runner(folder, "inline", None)  # leaves the stages there
    for name in (*INPUTS, "old.mp4"):
        (folder / name).touch()
        (folder / f"link-{name}").symlink_to(name)
        (folder / "sub" / f"link-{name}").symlink_to(folder / name)
        (folder / f"hard-{name}").hardlink_to(folder / name)
    (folder / "old.mp4").write_text("an earlier one's\n")
    (folder / "dangling.mp4").symlink_to("sub/made.mp4")
    (folder / "read-only").symlink_to("/proc/self")
    monkeypatch.chdir(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file() and "__pycache__" not in str(file)
    }


def run(**outputs: str | None) -> int:
    paths = {option: None if path is None else Path(path) for option, path in outputs.items()}
    return run_pipeline(RunOptions("pipeline.yaml", Path("config.yaml"), engine="inline", **paths))


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", INPUTS)
def test_no_output_is_an_input(folder, option, name):
    before = contents(folder)
    for alias in ALIASES:
        path = alias.format(name, folder=folder)
        with pytest.raises(VidpipeError) as refused:
            run(**{option: path})
        said = str(refused.value)
        assert said.startswith(f"--{option} {Path(path)} and ")
        assert said.endswith(f"{name} are the same file; write to another one")
        assert refused.value.exit_status == 2
    assert contents(folder) == before


@pytest.mark.parametrize(("one", "other"), itertools.combinations(OPTIONS, 2))
@pytest.mark.parametrize("name", ["old.mp4", "new.mp4"])
def test_no_output_is_another_one(folder, one, other, name):
    before = contents(folder)
    aliases = ALIASES if name == "old.mp4" else ALIASES[:4]
    for alias in aliases:
        path = alias.format(name, folder=folder)
        with pytest.raises(VidpipeError) as refused:
            run(**{one: name, other: path})
        assert (
            str(refused.value) == f"--{other} {Path(path)} and --{one} {name} are the same file; write to another one"
        )
    assert contents(folder) == before


def test_each_stream_has_a_video_of_its_own_to_be_kept_apart(folder):
    (folder / "config.yaml").write_text("streams: {a: {url: clip.mp4}, b: {url: drawn-a.mp4}}")
    (folder / "drawn-a.mp4").hardlink_to(folder / "clip.mp4")
    with pytest.raises(VidpipeError, match=r"^--video drawn-a.mp4 and streams.a.url clip.mp4 are the same file"):
        run(video="drawn.mp4")


def test_files_that_hold_secrets_and_models_are_inputs(folder):
    (folder / "address").write_text("rtsp://me:secret@127.0.0.1/x")
    (folder / "config.yaml").write_text("streams: {a: {url: '${file:address}'}}")
    with pytest.raises(VidpipeError, match=r"^--report address and streams.a.url address are the same file"):
        run(report="address")


def test_earlier_results_are_not_written_over_by_the_report(folder):
    with pytest.raises(VidpipeError, match=r"^--report old.mp4.1: earlier results of --results old.mp4 may go there"):
        run(results="old.mp4", report="old.mp4.1")


paths = st.one_of(
    st.none(),
    st.sampled_from(ELSEWHERE + DEVICES),
    st.builds(
        lambda alias, name: alias.replace("{}", name), st.sampled_from(ALIASES), st.sampled_from((*INPUTS, "old.mp4"))
    ),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(results=paths, report=paths, video=paths, refused_later=st.booleans())
@example(results=None, report=None, video="hard-old.mp4", refused_later=False)
def test_law_a_run_that_is_refused_damages_nothing(folder, capfd, results, report, video, refused_later):
    """And one that is not refused damages no input and no earlier results."""
    config = (
        "streams: {cam: {url: clip.mp4}, other: {url: mystages.py}}"
        if refused_later
        else "streams: {cam: {url: clip.mp4}}"
    )
    (folder / "config.yaml").write_text(config)
    chosen = {"results": results, "report": report, "video": video}
    chosen = {option: path and path.format(folder=folder) for option, path in chosen.items()}
    before = contents(folder)
    refusal = None
    try:
        status = run(**chosen)
    except VidpipeError as error:
        refusal = str(error)
    finally:
        assert all(stat.S_ISCHR(os.stat(device).st_mode) for device in DEVICES)  # noqa: PTH116
    if refusal is not None:
        assert "\n" not in refusal
        assert contents(folder) == before
        return
    assert status in (0, 1)
    assert not refused_later
    after = contents(folder)
    for name in INPUTS:
        assert after[str(folder / name)] == before[str(folder / name)]
    outputs = {os.path.realpath(path) for option, path in chosen.items() if path and option != "results"}
    earlier = before[str(folder / "old.mp4")]
    assert earlier in after.values() or str(folder / "old.mp4") in outputs
    assert all(
        line.startswith(("note: ", "vidpipe: ")) or " WARNING: " in line for line in capfd.readouterr().err.splitlines()
    )


def test_two_runs_on_one_results_file(shell, footage):
    """The second is refused, and the first does not notice; when that is gone, whatever ended it, the file is free."""
    first_asks = "[{id: first, type: difference, threshold: 0}, {"  # it learns: so frames are answered one by one
    pipeline = READ.replace("[{", first_asks).replace("Read", "Hangs")
    first = shell.begin(pipeline, footage / "long.mp4")
    first.wait_for_lines(3)
    run = ("run", "pipeline.yaml", "--source", footage / "good.mp4", "--engine", "inline", "--results", "results.jsonl")
    ended = shell.vidpipe(*run)
    assert (ended.status, ended.out) == (2, "")
    assert ended.error == "results results.jsonl is being written by another run; take another file"
    first.process.kill()
    first.end()
    shell.write("pipeline.yaml", READ)
    assert shell.vidpipe(*run).status == 0
    assert [line["seq"] for line in shell.lines] == list(range(40))
    kept = answers(shell.folder / "results.jsonl.1")
    assert [line["seq"] for line in kept] == list(range(len(kept)))
    assert kept[0]["stream"] == "long"


@pytest.mark.parametrize("refused_by", ["metrics", "source"])
def test_a_run_that_is_refused_leaves_earlier_outputs_alone(shell, good, refused_by):
    before = {name: shell.write(name, "an earlier one's\n") for name in ("results.jsonl", "report.json", "drawn.mp4")}
    more = {
        "metrics": ("--metrics", "1.2.3.4:1"),
        "source": ("--source", shell.write("empty.mp4", "")),
    }
    ended = shell.run(READ, good, "--video", "drawn.mp4", *more[refused_by])
    assert ended.status == 2
    assert all(file.read_text() == "an earlier one's\n" for file in before.values())
    assert not (shell.folder / "results.jsonl.1").exists()


def test_a_sink_of_the_pipeline_is_an_output(folder, caplog):
    (folder / "pipeline.yaml").write_text(f"{READ}\nsinks: [{{type: results, path: clip.mp4}}]\n")
    with pytest.raises(VidpipeError, match=r"^sinks.0.path clip.mp4 and streams.cam.url clip.mp4 are the same file"):
        run()
    (folder / "pipeline.yaml").write_text(f"{READ}\nsinks: [{{type: results, path: old.mp4}}]\n")
    assert run(results="new.jsonl") == 0
    assert (folder / "old.mp4.1").read_text() == "an earlier one's\n"
    assert answers(folder / "old.mp4") == answers(folder / "new.jsonl") != []
    assert "earlier results of old.mp4 are now old.mp4.1" in caplog.text
