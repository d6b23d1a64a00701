"""The commands end to end on a generated walk. What must hold: people are found where they went; what a search had to
compute is kept, and teaches; a way that is opened later is found and learnt; clocks that differ are told and corrected.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.across.walked import event_of, stored, walk
from vidpipe.across import tracks
from vidpipe.across.search import LEAST_SHARE
from vidpipe.across.tracks import learn, read
from vidpipe.cli.commands.across import AcrossOptions, FollowOptions, follow_up, show_graph
from vidpipe.core.errors import ConfigError
from vidpipe.results.store.embeddings import Embedded, unpacked, write_embeddings
from vidpipe.results.store.file import open_to_write
from vidpipe.testing.walk import Stay, WalkScene, WalkSpec


@pytest.fixture(autouse=True)
def embedder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)


def journeys(scene: WalkScene) -> list[list[Stay]]:
    """Of each person in order of arrival."""
    by_person: dict[int, list[Stay]] = defaultdict(list)
    for stay in scene.stays:
        by_person[stay.person].append(stay)
    return list(by_person.values())


def followed(store: Path, stay: Stay, capsys, *, everywhere: bool = False) -> tuple[list[dict], str]:
    follow_up(FollowOptions(event_of(stay), everywhere=everywhere), AcrossOptions(store, json=True))
    out, err = capsys.readouterr()
    return [json.loads(line) for line in out.splitlines()], err


def vectors(store: Path) -> dict[int, int]:
    """By track, how many of its run's vectors its stored one is worth."""
    with sqlite3.connect(store) as connection:
        return dict(connection.execute("SELECT track, vectors FROM embedding").fetchall())


def test_people_are_found_where_they_went(tmp_path, capsys):
    scene = walk(3)
    store = stored(scene, tmp_path)
    assert show_graph(AcrossOptions(store, json=True)) == 0
    ways = {(row["from"], row["to"]) for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert ways == {("gate", "yard"), ("yard", "shop"), ("yard", "gate"), ("shop", "yard")}
    whole = [each for each in journeys(scene) if len(each) > 2 and each[-1].last < 2.5 * 3600]
    found = there = 0
    for journey in whole[-12:]:
        rows, _ = followed(store, journey[0], capsys)
        there += len(journey) - 1
        found += sum(a["track_id"] == b.number for a, b in zip(rows, journey[1:], strict=False))
    assert found >= 0.95 * there > 20


def test_what_a_search_computed_is_kept_and_teaches(tmp_path, capsys):
    """The run has described nothing: the first search looks everywhere, later ones where people were found."""
    scene = walk(2)
    store = stored(scene, tmp_path, described=False)
    assert vectors(store) == {}
    journey = next(each for each in journeys(scene) if len(each) == 3 and each[0].first > 1800)
    rows, err = followed(store, journey[0], capsys)
    assert [row["track_id"] for row in rows] == [stay.number for stay in journey[1:]]
    assert " 0 of them computed" not in err
    kept = vectors(store)
    assert set(kept) >= {stay.number for stay in journey}
    assert set(kept.values()) == {0}
    graph = learn(read(store)).graph
    for begin, end in pairwise(journey):
        assert graph.path(begin.camera, end.camera).count
    again, err = followed(store, journey[0], capsys)
    assert [row["track_id"] for row in again] == [row["track_id"] for row in rows]
    assert " 0 of them computed" in err


def test_a_run_that_describes_a_track_after_all_takes_the_place_of_what_a_search_kept(tmp_path, capsys):
    scene = walk(0.5)
    store = stored(scene, tmp_path, described=False)
    followed(store, journeys(scene)[0][0], capsys)
    (track, *_) = vectors(store)
    own = np.eye(36, dtype=np.float32)[3]
    stay = next(each for each in scene.stays if each.number == track)
    with closing(open_to_write(store)) as connection:
        write_embeddings(connection, 1, "Grid", {(stay.camera, track): Embedded(own * 2, 2, 0.0, 1.0)})
        row = connection.execute("SELECT vector, length, vectors FROM embedding WHERE track = ?", (track,)).fetchone()
    np.testing.assert_array_equal(unpacked(row[0], row[1]), own)
    assert row[2] == 2


def test_a_store_that_cannot_be_written_is_searched_all_the_same(tmp_path, capsys, monkeypatch):
    def refuse(path):
        raise ConfigError(f"store {path} is locked by another program")

    scene = walk(0.5)
    store = stored(scene, tmp_path, described=False)
    monkeypatch.setattr(tracks, "open_to_write", refuse)
    journey = next(each for each in journeys(scene) if len(each) > 1)
    rows, err = followed(store, journey[0], capsys)
    assert rows[0]["track_id"] == journey[1].number
    assert "what was computed is not kept" in err
    assert "locked" in err
    assert vectors(store) == {}


@pytest.mark.long
def test_a_way_that_is_opened_later_is_found_by_one_search_everywhere_and_learnt(tmp_path, capsys):
    """The run has described the first half only. Its graph knows no way to the roof, and is sure that few take any."""
    scene = walk(8, new_from=0.5)
    store = stored(scene, tmp_path)
    half = scene.spec.duration_s / 2
    with sqlite3.connect(store) as connection:
        first = connection.execute("SELECT min(first) FROM track").fetchone()[0] - scene.stays[0].first
        connection.execute("DELETE FROM embedding WHERE first > ?", (first + half - 600,))
    up = [(each, n) for each in journeys(scene) for n, stay in enumerate(each) if stay.camera == "roof" and n]
    assert len(up) > 12
    known = learn(read(store)).graph
    assert "roof" not in known.windows("yard", LEAST_SHARE)
    journey, place = up[0]
    rows, _ = followed(store, journey[place - 1], capsys)
    assert rows == []
    rows, _ = followed(store, journey[place - 1], capsys, everywhere=True)
    assert (rows[0]["track_id"], rows[0]["found"]) == (journey[place].number, "everywhere")
    searches = []
    for journey, place in up[1:]:
        rows, _ = followed(store, journey[place - 1], capsys)
        searches.append(rows[0]["found"] if rows and rows[0]["track_id"] == journey[place].number else "missed")
    # Once somebody has been seen there, it is searched on each miss, until enough have been.
    assert searches[0] in ("looser", "everywhere")
    assert searches[-1] == "likely"
    assert "missed" not in searches


def graph_of(store: Path, capsys, **options) -> tuple[dict[tuple[str, str], dict], str]:
    show_graph(AcrossOptions(store, json=True, **options))
    out, err = capsys.readouterr()
    return {(row["from"], row["to"]): row for row in map(json.loads, out.splitlines())}, err


@pytest.mark.long
@pytest.mark.parametrize("ahead", [-200.0, 0.0, 200.0])
def test_a_clock_that_is_minutes_off_is_told_with_what_sets_it_right(tmp_path, capsys, ahead):
    """What is told to give, given, brings the ways back as they are; nobody else's clock is suspected then."""
    scene = walk(6)
    store = stored(scene, tmp_path, ahead={"yard": ahead})
    _, err = graph_of(store, capsys)
    if not ahead:
        assert "clock" not in err
        return
    line = next(line for line in err.splitlines() if "the clock of yard" in line)
    assert ("ahead of" if ahead > 0 else "behind") in line
    given = line.split("--clock-offset ")[1].split(";")[0]
    assert float(given.removeprefix("yard=")) == pytest.approx(ahead, abs=30)
    ways, err = graph_of(store, capsys, clock_offset=[given])
    assert "clock" not in err
    assert ways["gate", "yard"]["earliest_s"] < 40 < ways["gate", "yard"]["latest_s"]
    journey = next(
        each for each in journeys(scene) if len(each) == 2 and each[0].camera == "gate" and each[0].last > 5e3
    )
    follow_up(FollowOptions(event_of(journey[0])), AcrossOptions(store, json=True, clock_offset=[given]))
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (row["track_id"], row["found"]) == (journey[1].number, "likely")


def test_cameras_between_which_nobody_walks(tmp_path, capsys):
    scene = WalkScene(WalkSpec({"gate": 1.0, "dock": 1.0}, (), 1800.0, 1.0, 5))
    store = stored(scene, tmp_path)
    ways, err = graph_of(store, capsys)
    assert ways == {}
    assert "nobody was seen on two cameras within 10m" in err
    assert f"{len(scene.stays)} tracks of 2 cameras, {len(scene.stays)} subjects" in err
    newest = scene.stays[-1]
    rows, err = followed(store, newest, capsys)
    assert rows == []
    assert "not seen again within 10m" in err


def test_from_a_camera_that_nobody_has_left_all_are_searched(tmp_path, capsys):
    scene = walk(0.5)
    store = stored(scene, tmp_path, described=False)
    journey = next(each for each in journeys(scene) if len(each) > 1)
    rows, err = followed(store, journey[0], capsys)
    assert rows[0]["track_id"] == journey[1].number
    assert f"nobody is known to have left {journey[0].camera} before: all cameras are searched" in err


def test_people_who_look_the_same_tell_no_way_and_that_is_told(tmp_path, capsys):
    scene = walk(2)
    store = stored(scene, tmp_path, alike={stay.person for stay in scene.stays})
    ways, err = graph_of(store, capsys)
    told = next(line for line in err.splitlines() if "look like two subjects, and are not counted" in line)
    unclear, tracks = int(told.split()[0]), int(told.split()[2])
    assert tracks == len(scene.stays)
    # Who comes while nobody else has been seen for the horizon is clear; at one a minute that is next to nobody.
    assert unclear > 0.8 * tracks
    assert sum(row["count"] for row in ways.values()) < 0.1 * tracks


def test_a_clock_that_the_pipeline_says_is_ahead_is_set_right_and_an_option_goes_before(tmp_path, capsys):
    scene = walk(1)
    store = stored(scene, tmp_path, ahead={"yard": 300.0}, written={"yard": 300.0})
    ways, err = graph_of(store, capsys)
    assert "clock" not in err
    assert ways["gate", "yard"]["earliest_s"] < 40 < ways["gate", "yard"]["latest_s"] < 300
    journey = next(each for each in journeys(scene) if [stay.camera for stay in each[:3]] == ["gate", "yard", "shop"])
    for place in (0, 1):  # also from an event of the camera whose clock is ahead
        rows, _ = followed(store, journey[place], capsys)
        assert rows[0]["track_id"] == journey[place + 1].number
    ways, _ = graph_of(store, capsys, clock_offset=["yard=0"])
    assert ways["gate", "yard"]["latest_s"] > 340
