"""A store of a generated walk: who was where and when is known exactly, and looks tell who is who."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import cv2
import numpy as np

from tests.results.store.told import PROVENANCE, event, result
from vidpipe.results.store.sink import StoreConfig, StoreSink
from vidpipe.testing.walk import Stay, Walk, WalkScene, WalkSpec

EMBEDDER = '''
import numpy as np


class Grid:
    """The mean colours of a grid, less those of the whole."""

    def embed(self, images):
        vectors = []
        for image in images:
            rows = np.array_split(np.asarray(image, np.float32), 6)
            cells = np.array([[part.mean((0, 1)) for part in np.array_split(row, 2, axis=1)] for row in rows])
            vector = (cells - cells.mean((0, 1))).ravel()
            vectors.append(vector / max(np.linalg.norm(vector), 1e-6))
        return np.array(vectors, np.float32)
'''
RUN = {
    **PROVENANCE,
    "settings": {
        "transforms": {"d": {"type": "vidpipe.transforms.describe:Describe", "model": "looks", "alike": 0.3}},
        "models": {"looks": {"path": "clothes:Grid", "family": "embedder"}},
    },
    "models": {"looks": {"path": "clothes:Grid", "sha256": {}}},
}


def walk(hours: float, *, new_from: float = 1.0, seed: int = 3) -> WalkScene:
    """Gate, yard and shop, in both directions; a way from the yard to the roof from that share of the time on."""
    walks = (
        Walk("gate", "yard", 0.9, 40, 8),
        Walk("yard", "shop", 0.5, 60, 10),
        Walk("yard", "gate", 0.2, 40, 8),
        Walk("shop", "yard", 0.4, 60, 10),
        Walk("yard", "roof", 0.25, 90, 10, since_s=hours * 3600 * new_from),
    )
    return WalkScene(WalkSpec({"gate": 0.8, "shop": 0.2}, walks, hours * 3600, 1.0, seed))


def looks(person: int) -> np.ndarray:
    """Clothes, [6, 2, 3] of 0..255."""
    return np.random.default_rng([5, person]).integers(30, 226, (6, 2, 3))


def stored(
    scene: WalkScene,
    folder: Path,
    *,
    described: bool = True,
    ahead: Mapping[str, float] | None = None,
    written: Mapping[str, float] | None = None,
    alike: Collection[int] = (),
) -> Path:
    """The store of a run that saw the walk, each stay a track of its own number, with an event and its picture.

    Args:
        described: the run has done so; else only pictures were kept.
        ahead: by camera, seconds that its clock is ahead.
        written: the same, as the run's pipeline has it.
        alike: people who wear the same.
    """
    (folder / "clothes.py").write_text(EMBEDDER)
    scope: dict = {}
    exec(EMBEDDER, scope)  # the one text, as the commands load it
    grid = scope["Grid"]()
    rng = np.random.default_rng(scene.spec.seed)
    path = folder / "s.db"
    sink = StoreSink(StoreConfig(path=str(path)))
    sink.begin({**RUN, "streams": {name: {"clock_offset_s": late} for name, late in (written or {}).items()}})
    told: list[tuple[int, Stay]] = []
    crops = {}
    for stay in scene.stays:
        clothes = looks(10**6 if stay.person in alike else stay.person).repeat(10, 0).repeat(12, 1)
        crops[stay.number] = np.clip(clothes + rng.normal(0, 12, clothes.shape), 0, 255).astype(np.uint8)
        late = (ahead or {}).get(stay.camera, 0.0)
        told += [(round((at + late) * 10), stay) for at in (stay.first, stay.last)]
    pictures = folder / "media"
    pictures.mkdir()
    for seq, stay in sorted(told, key=lambda each: each[0]):
        seen = result(seq, "person", stream=stay.camera, ids=[stay.number])
        if described:
            seen.answer.detections.data["embedding"] = grid.embed([crops[stay.number]])
        sink.write([seen], 0.0)
    for stay in scene.stays:
        picture = pictures / f"{stay.number}.png"
        # A kept picture has a margin around the box.
        cv2.imwrite(str(picture), cv2.copyMakeBorder(crops[stay.number], 9, 9, 9, 9, cv2.BORDER_REPLICATE))
        at = round((stay.last + (ahead or {}).get(stay.camera, 0.0)) * 10)
        sink.tell([event(at, id=f"{stay.number}", stream=stay.camera, track_id=stay.number, snapshot=str(picture))])
    sink.close()
    return path


def event_of(stay: Stay) -> str:
    """The id of its event."""
    return f"20261129T172532.151/{stay.camera}/{stay.number}"
