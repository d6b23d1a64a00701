"""Runs that have a name. What must hold:

- one in the background goes on when its shell has gone, and another shell sees it, changes it, and ends it in order;
- one that cannot begin says why where it was begun, and its name is free again;
- a name belongs to one run at a time, until its process has ended, however it ended.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests import clips
from tests.cli.conftest import RAY
from tests.waiting import until
from vidpipe.cli.runs.place import Place

PIPELINE = """
classes: {even: even, odd: odd}
stages:
  - {id: difference, type: difference, on: device, threshold: 0}
  - {id: read, type: mystages:Read, on: edge}
audit: {rate: 0}
"""


@pytest.fixture(scope="module")
def camera(tmp_path_factory):
    """A recording that is played as a camera, for longer than any test takes."""
    return f"yard=live+file:{clips.encode(tmp_path_factory.mktemp('camera') / 'slow.mp4', frames=2400, fps=8)}"


@pytest.fixture
def detached(shell, camera):
    """Begins a run in the background; its command has ended by then."""

    def begin(name="yard", engine="inline", pipeline=PIPELINE):
        command = shell.begin(pipeline, camera, "--detach", name, engine=engine, fresh=True)
        return command, command.end(60)

    return begin


def status(shell, *arguments):
    return json.loads(shell.vidpipe("status", *arguments, "--json").out)


@pytest.mark.long
def test_one_pipeline_alone_is_joined_by_no_other(shell, detached):
    detached()
    for change in (("--add", "pipeline.yaml"), ("--remove", "yard")):
        refused = shell.vidpipe("apply", "yard", *change)
        assert (refused.status, refused.out) == (2, "")
        assert "this run was begun with one pipeline alone" in refused.error


@pytest.mark.long
@pytest.mark.parametrize("engine", ["inline", RAY])
def test_another_shell_sees_it_changes_it_and_ends_it(shell, detached, engine):
    _, began = detached(engine=engine)
    assert (began.status, began.err) == (0, "")
    assert "vidpipe stop yard" in began.out
    until(lambda: status(shell)["streams"]["yard"]["frames_in"] > 5, 20)
    assert "yard: running" in shell.vidpipe("status").out
    applied = shell.vidpipe("apply", "--set", "difference.threshold=40", "--reason", "evening")
    assert applied.out == "epoch 1 of yard\n"
    until(lambda: status(shell)["streams"]["yard"]["epoch"] == 1, 20)
    stopped = shell.vidpipe("stop", "yard")
    assert stopped.status == 0
    assert stopped.out.startswith("run yard has ended at")
    lines = shell.lines
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    stream = shell.report["streams"]["yard"]
    assert stream["frames_in"] == len(lines)
    assert [(epoch["reason"], epoch["by"]) for epoch in stream["settings"]] == [("evening", "user")]
    assert "yard is live" in shell.vidpipe("logs", "yard").out
    assert shell.vidpipe("logs", "yard", "--follow").out == shell.vidpipe("logs", "yard").out


def test_what_cannot_be_changed_is_refused_as_in_a_program(shell, detached):
    detached()
    refused = shell.vidpipe("apply", "--set", "difference.treshold=40")
    assert refused.status == 2
    assert refused.error.startswith("stages.difference: there is no setting 'treshold'; did you mean 'threshold'?")
    assert shell.vidpipe("apply", "--set", "difference=40").status == 2
    assert shell.vidpipe("apply").error == "nothing to change: give --set STAGE.FIELD=VALUE"
    assert status(shell)["epochs"] == []
    shell.vidpipe("stop")


def test_one_that_cannot_begin_says_why_where_it_was_begun(shell, detached):
    _, began = detached(pipeline=PIPELINE.replace("mystages:Read", "mystages:SharedDoesNotOpen"))
    assert began.status == 1
    assert "no licence for this machine" in began.error
    assert shell.vidpipe("status", "yard").error.startswith("run yard has ended at")
    assert shell.vidpipe("stop", "yard").error == "run yard does not go on"


@pytest.mark.long
def test_a_name_belongs_to_one_run_until_its_process_has_ended(shell, detached):
    detached()
    _, again = detached()
    assert again.status == 2
    assert again.error == "a run named yard goes on: end it with vidpipe stop yard, or take another name"
    _, other = detached("gate")
    assert other.status == 2  # both would write results.jsonl
    assert "is being written by another run" in other.error
    os.kill(status(shell)["pid"], signal.SIGKILL)
    until(lambda: "was killed" in shell.vidpipe("status", "yard").err)
    assert shell.vidpipe("stop", "yard").error == "run yard does not go on: its process was killed"
    assert detached()[1].status == 0
    shell.vidpipe("stop", "yard")


def test_one_in_the_foreground_is_reached_too_and_ends_well_when_it_is_asked_to(shell, camera):
    command = shell.begin(PIPELINE, camera, "--name", "yard")
    command.wait_for_lines(5)
    assert status(shell, "yard")["streams"]["yard"]["state"] == "live"
    assert shell.vidpipe("logs").error == "run yard has no log: it runs in the foreground"
    command.send(signal.SIGTERM, to_group=False)
    assert command.end(20).status == 0


def test_what_is_no_question_is_answered_and_harms_nobody(shell, camera):
    command = shell.begin(PIPELINE, camera, "--name", "yard")
    command.wait_for_lines(5)
    place = f"{shell.runs}/yard.sock"
    assert Path(place).stat().st_mode & 0o077 == 0
    for sent in (b"", b"nonsense\n", b"[]\n", b'{"do": "dance"}\n', b'{"do": "apply", "stages": 3}\n', b"x" * 100_000):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(place)
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            assert json.loads(connection.makefile().read())["error"] == "config"
    idle = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    for connection in idle:
        connection.connect(place)
    assert status(shell, "yard")["state"] == "running"
    for connection in idle:
        connection.close()
    shell.vidpipe("stop")
    assert command.end(20).status == 0


@pytest.mark.parametrize("name", ["", "a/b", "..", "-x", "x" * 41, "a b"])
def test_a_name_is_a_word(shell, name):
    refused = shell.vidpipe("run", "street", "--source", "x.mp4", "--detach", name)
    assert refused.status == 2
    assert "a name is up to 40 letters" in refused.error


def test_who_asks_for_a_run_that_is_not_there_is_told_which_are(shell):
    assert shell.vidpipe("status").err == "there is no run with a name: vidpipe run --detach NAME\n"
    assert shell.vidpipe("stop").error == "no run with a name goes on: begin one with vidpipe run --detach NAME"
    assert shell.vidpipe("stop", "yard").error == "there is no run named yard"


def test_a_folder_that_others_may_read_is_refused(shell):
    Path(shell.runs).chmod(0o755)
    assert "is open to others" in shell.vidpipe("run", "street", "--source", "x.mp4", "--name", "yard").error


def test_results_on_stdout_do_not_go_to_the_background(shell):
    refused = shell.vidpipe("run", "street", "--source", "x.mp4", "--results", "-", "--detach", "yard")
    assert "has no stdout" in refused.error


@pytest.mark.long
@pytest.mark.parametrize("engine", ["inline", RAY])
def test_another_version_of_the_pipeline_takes_over(shell, camera, engine):
    command = shell.begin(PIPELINE, camera, "--name", "yard", engine=engine)
    until(lambda: "yard: running" in shell.vidpipe("status", "yard").out, 40)
    shell.write("broken.yaml", PIPELINE.replace("mystages:Read", "mystages:SharedDoesNotOpen"))
    refused = shell.vidpipe("apply", "yard", "--pipeline", "broken.yaml")
    assert (refused.status, "no licence for this machine" in refused.error) == (1, True)
    shell.write("wrong.yaml", "stages: []")
    assert shell.vidpipe("apply", "--pipeline", "wrong.yaml").status == 2
    shell.write("elsewhere.yaml", PIPELINE + "sinks: [{type: events, path: e.jsonl}]")
    assert shell.vidpipe("apply", "--pipeline", "elsewhere.yaml").error == (
        "sinks of the new version are not those of the running one: they change with a new run alone"
    )
    shell.write("next.yaml", PIPELINE.replace("threshold: 0", "threshold: 1"))
    assert shell.vidpipe("apply", "yard", "--pipeline", "next.yaml").out == "yard is answered by next now\n"
    until(lambda: lines_of(shell)[-1]["pipeline"] == "next" and len(lines_of(shell)[-1]["lines"]) > 5, 20)
    assert shell.vidpipe("stop").status == 0
    assert command.end(20).status == 0
    old, new = lines_of(shell)
    assert new["follows"] == old["start"]
    assert new["lines"][0]["captured_at"] - old["lines"][-1]["captured_at"] < 1
    assert [line["seq"] for line in old["lines"]] == list(range(len(old["lines"])))
    (replaced,) = shell.report["replaced"]
    assert (replaced["run"]["pipeline"], shell.report["run"]["pipeline"]) == ("pipeline", "next")
    assert replaced["streams"]["yard"]["frames_in"] == len(old["lines"])
    assert not (shell.folder / "results.jsonl.1").exists()


def lines_of(shell):
    """The first line of each run in the results, with its `lines`."""
    runs = []
    for text in (shell.folder / "results.jsonl").read_text().splitlines():
        told = json.loads(text)
        if "schema" in told:
            runs.append({**told, "lines": []})
        else:
            runs[-1]["lines"].append(told)
    return runs


@pytest.mark.long
def test_a_name_is_forgotten_when_that_is_asked_for_and_after_a_month(shell, detached):
    detached()
    assert shell.vidpipe("stop", "yard", "--forget").out.endswith("run yard is forgotten\n")
    assert list(Path(shell.runs).iterdir()) == []
    for name in ("old", "new", "killed"):
        place = Place(name, Path(shell.runs))
        held = place.take()
        if name != "killed":
            place.tell_end({"at": time.time(), "exit_status": 0})
        os.close(held)
    assert [run["name"] for run in listed(shell)] == ["killed", "new", "old"]
    end = Path(shell.runs) / "old.end.json"
    end.write_text(json.dumps({**json.loads(end.read_text()), "at": 1_700_000_000}))
    assert [(run["name"], run["state"]) for run in listed(shell)] == [("killed", "was killed"), ("new", "ended")]
    assert shell.vidpipe("stop", "new", "--forget").out == "run new is forgotten\n"
    assert sorted(file.name for file in Path(shell.runs).iterdir()) == ["killed.lock"]


def listed(shell):
    return [json.loads(line) for line in shell.vidpipe("status", "--json").out.splitlines()]
