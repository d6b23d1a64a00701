"""Pages are what they say: text that a reader copies must run."""

import re

import pytest

import vidpipe
from tests.samples.conftest import ROOT, SAMPLES
from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.driver.run import run
from vidpipe.testing.scene import SceneSpec, write

README = (ROOT / "README.md").read_text(encoding="utf-8")
OWN_STAGE = (ROOT / "docs" / "tasks" / "own-stage.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md")), *sorted(SAMPLES.glob("*/README.md"))]


@pytest.mark.long
def test_the_stage_of_the_task(people, tmp_path, monkeypatch):
    """It answers while it is dark, the detector all the rest; and the audits tell that it answers too much."""
    for language in ("python", "yaml"):
        block = re.search(rf"```{language}\n# (\S+)\n(.*?)```", OWN_STAGE, re.DOTALL)
        (tmp_path / block[1]).write_text(block[2])
    monkeypatch.chdir(tmp_path)
    night = write(SceneSpec(duration_s=20, night=(0, 1)), tmp_path / "night.mp4").video

    outcome = run(load("dark.yaml", sources={"night": str(night)}), engine="inline")

    stream = outcome.report["streams"]["night"]
    assert outcome.exit_status == 0
    assert stream["frames_in"] == 200
    assert stream["how"]["empty"] == stream["by"]["dark"]
    assert stream["by"]["dark"] == pytest.approx(64, abs=2)  # encoders differ a little
    assert stream["audits"]["dark"]["missed"] == stream["audits"]["dark"]["audited"] > 0


@pytest.mark.long
def test_the_snippets_of_the_session_run(people, tmp_path, monkeypatch, capsys):
    """One after the other, on a generated street."""
    monkeypatch.chdir(tmp_path)
    write(SceneSpec(duration_s=5), tmp_path / "street.mp4")
    page = (ROOT / "docs" / "session.md").read_text(encoding="utf-8")
    for snippet in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(snippet, "session.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 50 + 1
    assert "evening" in printed[-1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_file_tree_is_there():
    tree = re.search(r"## Where things are\n\n```\n(.*?)```", README, re.DOTALL)[1]
    named = re.findall(r"(?:^|\s)((?:\w|-)+(?:/(?:[\w.-]+)?)+)", tree)

    assert len(named) >= 9
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_what_is_known_from_elsewhere_runs_here(people, tmp_path, monkeypatch, capsys):
    """The configuration and the loop of the page for those who come from another program."""
    monkeypatch.chdir(tmp_path)
    write(SceneSpec(duration_s=2), tmp_path / "street.mp4")
    page = (ROOT / "docs" / "coming-from.md").read_text(encoding="utf-8")
    (written,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "gate.yaml").write_text(written)
    stream = load("follow", config=tmp_path / "gate.yaml").streams["gate"]
    assert [rule.id for rule in stream.configs["rules"].rules] == ["yard", "loiterer"]
    (loop,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(loop, "coming-from.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) >= 20
    fields = {name for name in re.findall(r"`(\w+(?:\.\w+)*)`", page) if name.startswith("vidpipe")}
    assert all(hasattr(vidpipe, name.split(".")[1]) for name in fields)
