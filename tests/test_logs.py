"""Log lines as JSON: which frame they are about, and what is never in them."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import SharedTold, frame
from vidpipe.cascade.runner import StageRunner
from vidpipe.cli import logs
from vidpipe.core.logs import JsonFormatter, about, treated
from vidpipe.runtime.ray.warnings import Warnings

TEXT = st.text(st.characters(exclude_categories=("Cs",)))


def record(message: str, *arguments: object, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("vidpipe.somewhere", logging.WARNING, "", 0, message, arguments, None)
    vars(made).update(more)
    return made


@given(TEXT, TEXT, st.none() | TEXT)
def test_any_message_is_one_line_of_json(message, stream, run):
    line = JsonFormatter(run).format(record("%s", message, stream=stream, seq=3))
    assert "\n" not in line
    told = json.loads(line)
    assert (told["message"], told["stream"], told["seq"], told["run"]) == (message, stream, 3, run)
    assert (told["level"], told["logger"]) == ("WARNING", "vidpipe.somewhere")
    assert told["time"].endswith("+00:00")


def test_a_line_is_about_what_its_message_begins_with():
    assert about(record("stream %s: %s", "gate", "it is late")) == ("gate", None)
    assert about(record("no stream at all")) == (None, None)


def test_what_is_hidden_is_hidden_in_tracebacks_too():
    try:
        raise ValueError("rtsp://user:secret@host")
    except ValueError:
        made = record("secret")
        made.exc_info = sys.exc_info()
    line = JsonFormatter(hide=lambda text: text.replace("secret", "...")).format(made)
    assert "secret" not in line
    assert "ValueError" in json.loads(line)["exception"]


@pytest.mark.parametrize(("frames", "seq"), [([frame(7, stream="gate")], 7), ([frame(1), frame(2)], None)])
def test_a_stage_that_logs_is_about_the_frame_that_it_is_asked(frames, seq):
    heard = []

    def says(asked):
        heard.append(about(record("here")))

    runner = StageRunner("stage", shared=True, last=False, open=lambda _: SharedTold("stage", says), classes=())
    runner.ask(tuple(frames))
    assert heard[0] == (frames[0].stream, seq)
    assert treated.get(None) is None


def test_what_is_logged_elsewhere_is_logged_here_with_its_frame_and_time(caplog):
    there = Warnings()
    there.handle(record("stream %s: %s", "gate", "late", created=12.0))
    there.latest().repeat(heard=0)
    (here,) = caplog.records
    assert (here.getMessage(), here.created) == ("stream gate: late", 12.0)
    assert about(here) == ("gate", None)


@contextmanager
def json_stderr(out):
    """A process whose stderr is JSON and goes to `out`."""
    root, stderr = logging.getLogger(), sys.stderr
    handlers, root.handlers, sys.stderr = root.handlers, [], out
    try:
        logs.begin(["rtsp://user:secret@10.0.0.5/stream1"], logging.WARNING)
        logs.write_json()
        logs.name_run("yard")
        yield
    finally:
        root.handlers, sys.stderr = handlers, stderr


def read(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_whatever_is_said_on_stderr_is_json_without_secrets():
    with json_stderr(out := io.StringIO()):
        logging.getLogger("vidpipe.x").warning("no answer from rtsp://user:secret@10.0.0.5/stream1")
        sys.stderr.write("note: half a ")
        sys.stderr.write("line\n\nvidpipe: it failed at rtsp://user:secret@10.0.0.5/stream1\n")
    lines = read(out)
    assert [(line["level"], line["run"]) for line in lines] == [
        (level, "yard") for level in ("WARNING", "INFO", "ERROR")
    ]
    assert [line["message"] for line in lines[1:]] == ["note: half a line", "it failed at rtsp://10.0.0.5"]
    assert "secret" not in out.getvalue()


def test_lines_of_several_threads_stay_whole():
    def say(name):
        for number in range(50):
            sys.stderr.write(f"{name} {number}\n")

    with json_stderr(out := io.StringIO()):
        threads = [threading.Thread(target=say, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {line["message"] for line in read(out)} == {f"{name} {number}" for name in "abc" for number in range(50)}


def test_a_line_that_cannot_be_written_ends_nothing():
    class Full(io.StringIO):
        def write(self, text):
            raise OSError("no space")

    with json_stderr(Full()):
        sys.stderr.write("this is lost\n")
