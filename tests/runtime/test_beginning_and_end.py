"""How a run begins and ends on Ray: with the user's own modules, wherever he stands, and in order."""

import shutil
import socket
import threading
import time

import pytest

from tests import clips
from tests.runtime.conftest import Runner
from vidpipe.core.errors import RunError
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.sinks.base import Sink
from vidpipe.runtime.driver.run import run
from vidpipe.runtime.ray.folder import Folder

CLASSES = "classes: {even: even, odd: odd}\n"
STAGES = '''

import neighbour


class Helped(Read):
    """Works with a module beside its own."""

    def answer(self, frames):
        return [replace(answer, reason=neighbour.said()) for answer in super().answer(frames)]
'''
NEIGHBOUR = """
import words


def said():
    return words.WORD
"""


@pytest.fixture
def clip(tmp_path):
    return clips.encode(tmp_path / "clip.mp4", frames=10)


@pytest.fixture
def pipeline(tmp_path, clip):
    """Loads a pipeline beside stages that need two more modules from there."""

    def loaded(text):
        Runner(tmp_path, "ray", None)
        (tmp_path / "mystages.py").write_text((tmp_path / "mystages.py").read_text() + STAGES)
        (tmp_path / "neighbour.py").write_text(NEIGHBOUR)
        (tmp_path / "words.py").write_text("WORD = 'from beside'\n")
        (tmp_path / "pipeline.yaml").write_text(CLASSES + text)
        return load(tmp_path / "pipeline.yaml", sources={"a": str(clip)})

    return loaded


class Kept(Sink):
    """A sink."""

    def __init__(self):
        self.answers = []

    def begin(self, provenance):
        pass

    def write(self, results, published_at):
        self.answers += [record.answer for record in results]

    def close(self):
        pass


@pytest.mark.long
@pytest.mark.ray
def test_custom_stages_reach_machines_without_their_files(pipeline, cluster, tmp_path):
    loaded = pipeline("stages: [{id: read, type: mystages:Helped, on: edge}]")
    for file in [*tmp_path.glob("*.py"), tmp_path / "__pycache__"]:
        shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
    kept = Kept()
    assert run(loaded, engine="ray", address=cluster, sinks=[kept]).exit_status == 0
    assert [answer.reason for answer in kept.answers] == ["from beside"] * 10


@pytest.fixture(params=["nobody", "silent", "talks of something else"])
def wrong_address(request):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        if request.param == "nobody":
            server.close()
        elif request.param == "talks of something else":

            def talk():
                connection, _ = server.accept()
                connection.sendall(b"220 mail.example ESMTP\r\n")
                connection.close()

            threading.Thread(target=talk, daemon=True).start()
        yield address


@pytest.mark.long
def test_a_wrong_address_is_told_soon(pipeline, wrong_address):
    loaded = pipeline("stages: [{id: read, type: mystages:Read}]")
    began = time.monotonic()
    with pytest.raises(RunError, match=f"the Ray at {wrong_address} cannot be joined: ") as told:
        run(loaded, engine="ray", address=wrong_address)
    assert time.monotonic() - began < 5
    assert "\n" not in str(told.value)


def test_folders_go_with_who_made_them(tmp_path):
    one = Folder(tmp_path)
    (tmp_path / "vidpipe-ray-left").mkdir()
    (tmp_path / "vidpipe-ray-left" / "lock").touch()
    (tmp_path / "vidpipe-ray-new").mkdir()
    other = Folder(tmp_path)
    assert one.path.is_dir()
    assert (tmp_path / "vidpipe-ray-new").is_dir()  # it may be about to be locked
    assert not (tmp_path / "vidpipe-ray-left").exists()
    one.remove()
    assert not one.path.exists()
    assert other.path.is_dir()
    other.remove()
