"""The commands. What must hold:

- `run --serve` serves the run's page, at an address that it prints, until the run has ended;
- other machines are let in only where there is a user, and a user is one line of stdin;
- `serve` shows a store and runs of other processes, and says of pictures where they are.
"""

from __future__ import annotations

import io
import json
import os
import stat
from contextlib import closing

import pytest

from tests import clips
from tests.serve.conftest import Browser
from vidpipe.cli.commands.run import RunOptions, run_pipeline
from vidpipe.cli.commands.serve import NamedRuns, add_a_token, add_a_user, remove_user, run_serve
from vidpipe.cli.runs.orders import RunOrders
from vidpipe.cli.runs.place import place_of
from vidpipe.cli.runs.server import served as asked_by_socket
from vidpipe.core.errors import ConfigError
from vidpipe.results.store.file import open_to_write
from vidpipe.runtime.driver.versions import Versions
from vidpipe.serve.page import Server
from vidpipe.serve.site import Site


@pytest.fixture
def yard(tmp_path):
    """A pipeline and a recording."""
    (tmp_path / "p.yaml").write_text(
        json.dumps(
            {
                "classes": {"person": "person"},
                "stages": [{"id": "sees", "type": "tests.serve.cams:Sees"}],
                "audit": {"rate": 0, "max_unchecked_s": None},
            }
        )
    )
    clip = clips.encode(tmp_path / "yard.mp4", frames=10)
    return RunOptions(str(tmp_path / "p.yaml"), sources=[f"yard={clip}"], engine="inline")


def test_a_run_serves_its_page_until_it_ends(yard, users, capsys):
    from dataclasses import replace

    assert run_pipeline(replace(yard, serve="0")) == 0
    told = capsys.readouterr().err
    address = next(line for line in told.splitlines() if line.startswith("page: "))
    port = int(address.rpartition(":")[2].strip("/"))
    with pytest.raises(ConnectionError):
        Browser(port).get("/")


def test_a_run_lets_other_machines_in_only_with_users(yard, users, capsys):
    from dataclasses import replace

    for place in ("0.0.0.0:0", ":::0", "192.0.2.1:0"):
        with pytest.raises(ConfigError, match="vidpipe serve --add-user NAME"):
            run_pipeline(replace(yard, serve=place))
    with pytest.raises(ConfigError, match="--serve gate: write PORT"):
        run_pipeline(replace(yard, serve="gate"))


def test_users_are_kept_privately(users, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    assert add_a_user("ann", "admin", ["*"]) == 0
    assert users.by_password("ann", "correct horse").role == "admin"
    assert users.by_password("ann", "wrong") is None
    assert "correct horse" not in capsys.readouterr().out
    assert add_a_token("grafana", "viewer", ["gate*"]) == 0
    token = capsys.readouterr().out.strip()
    assert users.by_token(token).cameras == ("gate*",)
    assert stat.S_IMODE(users.path.stat().st_mode) == 0o600
    assert remove_user("ann") == 0
    assert not users.any
    with pytest.raises(ConfigError, match="there is no user or token 'ann'"):
        remove_user("ann")
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    with pytest.raises(ConfigError, match="at least 8 characters"):
        add_a_user("bob", "viewer", ["*"])


def test_a_run_of_another_process_is_shown(serve, users, tmp_path, monkeypatch):
    monkeypatch.setenv("VIDPIPE_RUNS", str(tmp_path / "runs"))
    (tmp_path / "runs").mkdir(mode=0o700)
    served = serve()
    served.show(10, 20)
    place = place_of("yard", make=True)
    held = place.take()
    path = tmp_path / "yard.db"
    open_to_write(path).close()
    try:
        with (
            asked_by_socket(RunOrders(Versions(served.run)).all(), place),
            closing(Server(Site(NamedRuns(), path, (), users), 0, "127.0.0.1")) as it,
        ):
            browser = Browser(int(it.address.rpartition(":")[2].strip("/")))
            assert browser.get("/api/session").json["runs"] == ["yard"]
            assert browser.get("/api/status").json["streams"]["gate"]["frames_in"] == 2
            assert browser.get("/api/funnel").json["streams"]["gate"][0]["id"] == "sees"
            assert browser.get("/api/events").json == {"events": [], "next": None}
            change = {"stages": {"sees": {"least": 3}}, "reason": "dusk"}
            assert browser.post("/api/settings", change).json["epoch"] == 1
            for path in ("picture", "rules", "settings"):
                answer = browser.get(f"/api/{path}", stream="gate")
                assert (answer.status, "--serve" in answer.json["error"]) == (409, True)
        assert served.run.epochs[0].reason == "dusk (page)"
    finally:
        os.close(held)


def test_serve_says_what_is_wrong_with_its_store(users, tmp_path):
    with pytest.raises(ConfigError, match="there is none"):
        run_serve("0", tmp_path / "none.db", [])
