"""An installed vidpipe in a folder that has nothing to do with its sources: whether all that it comes with is there.

python -m tests.packaging.elsewhere prepare FOLDER      makes a clip, a model and a pipeline there
python elsewhere.py ENVIRONMENT                         in that folder, by the Python of that environment
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen


def prepare(folder: Path) -> None:
    """What a user brings: footage, a detector in ONNX, and a pipeline."""
    from tests import clips
    from tests.models.networks import constant_network, yolo_columns

    clips.encode(folder / "yard.mp4", frames=20)
    table = {"out": yolo_columns([(20, 20, 10, 10, 0, 0.9)], 1)}
    constant_network(folder / "sees.onnx", table, metadata={"names": "{0: 'person'}"})
    stages = [{"id": "difference", "type": "difference", "on": "device"}]
    stages += [{"id": "sees", "type": "detect", "on": "edge", "model": "sees"}]
    pipeline = {"classes": {"person": "person"}, "models": {"sees": {"path": "sees.onnx"}}, "stages": stages}
    (folder / "p.yaml").write_text(json.dumps(pipeline))


def look(environment: Path) -> None:
    """Raises where something is missing."""
    import vidpipe
    from vidpipe.core.extras import is_installed

    assert Path(vidpipe.__file__).is_relative_to(environment), vidpipe.__file__
    command = environment / "bin/vidpipe"
    assert vidpipe.__version__ in ask(command, "--version")
    for name in ("street", "demo") if is_installed("openvino") else ("street",):
        assert f"{name}: ok\n" in ask(command, "check", name, "--source", "yard.mp4")
    ask(command, "run", "p.yaml", "--source", "yard.mp4", "--results", "r.jsonl", "--store", "s.db", "--overwrite")
    answers = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()[1:]]
    assert [answer["seq"] for answer in answers] == list(range(20))
    assert any(answer["detections"] for answer in answers)
    assert "person" in ask(command, "counts", "--store", "s.db")
    page()


def page() -> None:
    """The page with every file that it names."""
    from vidpipe.serve.page import Server
    from vidpipe.serve.site import Site
    from vidpipe.serve.users import Users, users_path

    with closing(Server(Site({}, None, (), Users(users_path())), 0, "127.0.0.1")) as server:
        html = read(server.address)
        files = re.findall(r'(?:src|href)="([^":]+\.(?:js|css|svg))"', html)
        assert files, html
        for file in files:
            assert read(f"{server.address}{file.removeprefix('/')}")


def read(address: str) -> str:
    with urlopen(address, timeout=20) as answer:
        text: str = answer.read().decode()
    return text


def ask(*command: object) -> str:
    """What a command says on stdout; it must succeed."""
    ran = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return ran.stdout


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(Path(sys.argv[2]))
    else:
        look(Path(sys.argv[1]))
