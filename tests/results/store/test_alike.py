"""Search by likeness. What must hold: of a scene with exact identities, the same person on other cameras is found among
the five that look most alike, far oftener than by chance; vectors of two models are never compared; what is damaged is
left out; and what tracks look like goes when they go.
"""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from tests.results.store.told import PROVENANCE, event, result
from vidpipe.cli.commands.events import Filter, show_alike
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.records import Result
from vidpipe.results.store.embeddings import identity_of, model_of, unpacked
from vidpipe.results.store.file import MIGRATIONS, open_to_write
from vidpipe.results.store.queries import Store
from vidpipe.results.store.retention import delete_oldest
from vidpipe.results.store.sink import StoreConfig, StoreSink
from vidpipe.runtime.driver.run import run

PEOPLE, CAMERAS = 12, ("gate", "yard", "hall")
WARDROBE = '''
"""People in clothes of their own, who pass cameras one after another, in another order at each."""

import numpy as np
import supervision as sv

from vidpipe import Answer, How, PictureSource, Shot, SourceConfig, Stage, StageConfig

PEOPLE, EACH = 12, 8
CLOTHES = np.random.default_rng(5).integers(40, 216, (PEOPLE, 6, 2, 3))


def left(seq):
    """One after another at other places: who begins where another one was lost a moment ago goes on as that one."""
    return 8 + 44 * (seq // EACH % 3)


def who(camera, seq):
    return int(np.random.default_rng(camera).permutation(PEOPLE)[seq // EACH])


class Config(SourceConfig):
    camera: int = 0


class Pass(PictureSource):
    Config = Config

    def pictures(self):
        rng, light = np.random.default_rng(self.config.camera), [1.0, 0.8, 1.15][self.config.camera]
        for seq in range(PEOPLE * EACH):
            picture = np.full((96, 128, 3), 90.0)
            clothes = CLOTHES[who(self.config.camera, seq)].repeat(10, 0).repeat(12, 1)
            picture[20:80, left(seq) : left(seq) + 24] = clothes * light
            picture += rng.normal(0, 12, picture.shape)
            yield Shot(seq / 10, np.clip(picture, 0, 255).astype(np.uint8), 1_700_000_000.0 + seq / 10)


class Sees(Stage):
    def answer(self, frames):
        (frame,) = frames
        boxes = sv.Detections(
            xyxy=np.array([[left(frame.seq), 20, left(frame.seq) + 24, 80]], np.float32),
            confidence=np.ones(1, np.float32),
            class_id=np.zeros(1, int),
            tracker_id=np.array([1 + frame.seq // EACH]),
            data={"class_name": np.array(["person"])},
        )
        return [Answer(boxes, How.MEASURED, self.id, frame.seq)]


class Grid:
    """The mean colours of a grid, less those of the whole."""

    def embed(self, images):
        vectors = []
        for image in images:
            rows = np.array_split(np.asarray(image, np.float32), 6)
            cells = np.array([[part.mean((0, 1)) for part in np.array_split(row, 2, axis=1)] for row in rows])
            vectors.append((cells - cells.mean((0, 1))).ravel())
        return np.array(vectors, np.float32)
'''
PIPELINE = """
classes: {person: person}
models: {looks: {path: "wardrobe:Grid", family: embedder}}
stages: [{id: sees, type: "wardrobe:Sees"}]
transforms: [{id: describe, type: describe, model: looks}]
streams:
  gate: {url: "wardrobe:Pass", settings: {camera: 0}, zones: {door: [[0, 0], [1, 0], [1, 1], [0, 1]]}}
  yard: {url: "wardrobe:Pass", settings: {camera: 1}, zones: {door: [[0, 0], [1, 0], [1, 1], [0, 1]]}}
  hall: {url: "wardrobe:Pass", settings: {camera: 2}, zones: {door: [[0, 0], [1, 0], [1, 1], [0, 1]]}}
"""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a scene, with its store."""
    folder = tmp_path_factory.mktemp("wardrobe")
    (folder / "wardrobe.py").write_text(WARDROBE)
    (folder / "pipeline.yaml").write_text(PIPELINE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        sink = StoreSink(StoreConfig(path=str(folder / "store.db")))
        outcome = run(load(folder / "pipeline.yaml"), engine="inline", sinks=[sink])
    assert not outcome.errors
    return folder


def person(event: dict) -> int:
    """Who it is, by the order in which people pass that camera."""
    order = np.random.default_rng(CAMERAS.index(event["stream"])).permutation(PEOPLE)
    return int(order[event["track_id"] - 1])


def test_who_is_who_over_cameras_is_found_among_five(scene: Path) -> None:
    """Of 35 others two are the same person: by chance five of them hold 5/35 of these."""
    with Store(scene / "store.db") as store:
        events = list(store.events(kind="zone.enter"))
        assert len(events) == PEOPLE * len(CAMERAS)
        recalls = []
        for asked in events:
            found = store.alike(asked["id"], most=5)
            assert [each["likeness"] for each in found] == sorted((each["likeness"] for each in found), reverse=True)
            assert asked["id"] not in {each["id"] for each in found}
            recalls.append(sum(person(each) == person(asked) for each in found) / 2)
        assert np.mean(recalls) > 0.9 > 5 * 5 / 35
        elsewhere = next(event for event in events if event["stream"] != "hall")
        others = store.alike(elsewhere["id"], stream="hall", most=50)
        assert {each["stream"] for each in others} == {"hall"}
        assert len(others) == PEOPLE
        last = events[-1]["time"]
        assert {each["time"] for each in store.alike(events[0]["id"], since=last, most=50)} <= {last}
        assert store.alike(events[0]["id"], kind="line.*") == []


def test_a_picture_is_searched_for(scene: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    import cv2

    monkeypatch.syspath_prepend(str(scene))
    monkeypatch.chdir(scene)
    clothes = np.random.default_rng(5).integers(40, 216, (PEOPLE, 6, 2, 3))
    cv2.imwrite("him.png", clothes[7].repeat(10, 0).repeat(12, 1).astype(np.uint8))
    with Store("store.db") as store:
        found = store.alike("him.png", most=3)
    assert [person(each) for each in found] == [7, 7, 7]
    assert show_alike(Filter(Path("store.db")), "table", "him.png", 3, unended=False) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split()[0] == "likeness"
    assert len(shown) == 4
    Path("him.png").write_text("no picture")
    with Store("store.db") as store, pytest.raises(ConfigError, match=r"picture him\.png cannot be read"):
        store.alike("him.png")


EMBEDDER = {
    **PROVENANCE,
    "settings": {"transforms": {"d": {"type": "vidpipe.transforms.describe:Describe", "model": "looks"}}},
    "models": {"looks": {"path": "models/looks.xml", "sha256": {"looks.bin": "1234", "looks.xml": None}}},
}


def described(seq: int, track: int, vector: list[float]) -> Result:
    known = result(seq, "person", ids=[track])
    known.answer.detections.data["embedding"] = np.array([vector], np.float32)
    return known


def written(file: Path, start: str = PROVENANCE["start"], **model: object) -> Path:
    """Two tracks that stand at right angles, each with an event; a third one that nobody described."""
    store = StoreSink(StoreConfig(path=str(file)))
    store.begin({**EMBEDDER, "start": start, "models": {"looks": {**EMBEDDER["models"]["looks"], **model}}})
    for seq in range(4):
        vectors = {0: [1.0, 0.0, 0.0], 1: [0.0, 1.0, 0.0], 2: [1.0, 0.0, 0.0]}
        store.write([described(seq, seq, vectors[seq]) if seq < 3 else result(seq, "person", ids=[3])], 0.0)
        store.tell([event(seq, track_id=seq, id=str(seq))])
    store.tell([event(3, "presence", id="none")])
    store.close()
    return file


def test_the_mean_of_a_track_is_what_it_looks_like(tmp_path: Path) -> None:
    """In one commit or in several: with its weight, not as one vector more."""
    vectors = np.random.default_rng(0).normal(size=(20, 3))
    means = []
    for commit in (1, 7, 20):
        store = StoreSink(StoreConfig(path=str(tmp_path / f"{commit}.db")))
        store.begin(EMBEDDER)
        for seq, vector in enumerate(vectors):
            store.write([described(seq, 1, vector.tolist())], 0.0)
            if seq % commit == 0:
                store.flush()
        store.close()
        with sqlite3.connect(tmp_path / f"{commit}.db") as connection:
            ((model, length, count, blob),) = connection.execute(
                "SELECT model, length, vectors, vector FROM embedding"
            ).fetchall()
        assert (model, length, count, len(blob)) == (identity_of(EMBEDDER["models"]["looks"]), 3, 20, 6)
        means.append(unpacked(blob, length))
    expected = vectors.sum(0) / np.linalg.norm(vectors.sum(0))
    assert means[2] == pytest.approx(expected, abs=2e-3)


def id_of(track: object, start: str = "20261129T172532.151") -> str:
    return f"{start}/gate/{track}"


def test_what_cannot_be_searched_for_is_told(tmp_path: Path) -> None:
    with Store(written(tmp_path / "store.db")) as store:
        assert [(each["track_id"], each["likeness"]) for each in store.alike(id_of(0))] == [(2, 1.0), (1, 0.0)]
        for asked, message in (
            ("nobody", "there is no event 'nobody' in the store, and no picture of that name"),
            (id_of("none"), "is of no object that was tracked"),
            (id_of(3), "its run had no `describe`"),
        ):
            with pytest.raises(ConfigError, match=message):
                store.alike(asked)
        with pytest.raises(ConfigError, match="neither --unended nor --newest 0"):
            show_alike(Filter(tmp_path / "store.db"), "json", id_of(0), 0, unended=False)


def test_vectors_of_two_models_are_not_compared(tmp_path: Path) -> None:
    written(tmp_path / "store.db")
    written(tmp_path / "store.db", "2026-11-30T17:25:32.151+00:00", sha256={"looks.bin": "5678"})
    with Store(tmp_path / "store.db") as store:
        one, other = (identity_of({"path": "looks.xml", "sha256": {"b": each}}) for each in ("1234", "5678"))
        with pytest.raises(ConfigError, match=f"with {one}, and others here with {other}, which cannot be compared"):
            store.alike(id_of(0))
        assert len(store.alike(id_of(0), until=1795973132.151 + 3600)) == 2


def test_what_is_damaged_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = written(tmp_path / "store.db")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE embedding SET vector = x'00' WHERE track = 1")
    with Store(file) as store, caplog.at_level(logging.WARNING):
        assert [each["track_id"] for each in store.alike(id_of(0))] == [2]
        assert "1 tracks are left out" in caplog.text
        with pytest.raises(ConfigError, match="is damaged in the store"):
            store.alike(id_of(1))


def test_it_goes_with_its_track(tmp_path: Path) -> None:
    connection = open_to_write(written(tmp_path / "store.db"))
    while connection.execute("SELECT count(*) FROM track").fetchone()[0]:
        assert delete_oldest(connection)
    assert connection.execute("SELECT count(*) FROM embedding").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM event").fetchone()[0] > 0


def test_a_store_of_before_gets_the_table(tmp_path: Path) -> None:
    open_to_write(tmp_path / "old.db", MIGRATIONS[:1]).close()
    with pytest.raises(ConfigError, match="is of an earlier vidpipe"):
        Store(tmp_path / "old.db")
    written(tmp_path / "old.db")
    with Store(tmp_path / "old.db") as store:
        assert len(store.alike(id_of(0))) == 2


@pytest.mark.parametrize("provenance", [{}, PROVENANCE, {**EMBEDDER, "models": {}}])
def test_a_run_that_describes_nothing_has_no_model(provenance: dict) -> None:
    assert model_of(provenance) == ""
