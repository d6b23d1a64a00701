"""`--log-format json`: every line on stderr is an object that programs can read, from actors as well."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import RAY
from tests.runtime.conftest import STAGES

WARNS = (
    STAGES
    + '''

class Warns(Read):
    """Has something to say of frame 3."""

    shared = False

    def measure(self, frame):
        if frame.seq == 3:
            logging.getLogger("vidpipe.mystages").warning("what is this? rtsp://user:secret@10.0.0.5/")
        return super().measure(frame)
'''
)
PIPELINE = {"classes": {"even": "even", "odd": "odd"}, "stages": [{"id": "read", "type": "mystages:Warns"}]}


@pytest.mark.long
@pytest.mark.parametrize("engine", ["inline", RAY])
def test_every_line_is_json_with_its_frame_and_run(shell, good, engine):
    shell.write("mystages.py", WARNS)
    shell.write("p.yaml", json.dumps(PIPELINE))
    run = ("run", "p.yaml", "--source", f"gate={good}", "--engine", engine, "--name", "yard", "--results", "r.jsonl")
    said = shell.vidpipe("--log-format", "json", *run)
    assert said.status == 0, said.err
    lines = [json.loads(line) for line in said.err.splitlines()]
    (warning,) = [line for line in lines if line["level"] == "WARNING"]
    assert (warning["stream"], warning["seq"], warning["run"]) == ("gate", 3, "yard")
    assert warning["message"] == "what is this? rtsp://10.0.0.5"
    assert warning["logger"] == "vidpipe.mystages"
    assert "secret" not in said.err


def test_an_error_is_json_too(shell):
    said = shell.vidpipe("--log-format", "json", "run", "none.yaml", "--source", "none.mp4")
    assert said.status == 2
    line = json.loads(said.line)
    assert (line["level"], line["run"]) == ("ERROR", "none")
    assert "none" in line["message"]
