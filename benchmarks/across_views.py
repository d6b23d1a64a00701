"""Following people between two views cut out of one real clip: `python -m benchmarks.across_views`.

The left and the right part of vtest.avi are two cameras; nobody sees the strip between them, so that walking through it
is the way from one to the other. Who is who, and where, is of people's labels; what they look like is of an embedder.
The graph is learnt on the first half of the time, by looks alone; the least likeness is the one that tells people
apart best there, by their labels. Who is first seen in the second half is followed.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.across import Compared, follow_all, table
from vidpipe.across.search import Track
from vidpipe.across.subjects import Seen, Vector, link
from vidpipe.core.frame import Image
from vidpipe.models.base import ModelSpec
from vidpipe.models.load import load_embedder

FPS, WIDTH, PARTS = 10.0, 768, {"left": (0.0, 0.4), "right": (0.6, 1.0)}
HORIZON_S, CROPS = 30.0, 5


def views(assets: Path) -> tuple[list[Track], list[int], list[Vector]]:
    """Tracks in both views in order of time, who each is, and the mean of its vectors."""
    import cv2

    labels = np.loadtxt(assets / "truth/vtest.txt", delimiter=",", usecols=range(6))
    runs: dict[tuple[str, int, int], list[tuple[int, np.ndarray]]] = defaultdict(list)
    newest: dict[tuple[str, int], tuple[int, int]] = {}
    for frame, person, *box in sorted(labels.tolist()):
        x, _, w, _ = box
        for camera, (begin, end) in PARTS.items():
            if begin * WIDTH <= x and x + w <= end * WIDTH:
                last, number = newest.get((camera, int(person)), (-100, -1))
                number += frame - last > 2 * FPS
                newest[camera, int(person)] = int(frame), number
                runs[camera, int(person), number].append((int(frame) - 1, np.array(box)))
    wanted: dict[int, list[tuple[tuple[str, int, int], np.ndarray]]] = defaultdict(list)
    for key, run in runs.items():
        for place in np.unique(np.linspace(0, len(run) - 1, CROPS).astype(int)).tolist():
            wanted[run[place][0]].append((key, run[place][1]))
    embedder = load_embedder(
        ModelSpec(path=str(assets / "models/mobilenet_v1_embedding_extractor.tflite"), family="embedder")
    )
    vectors: dict[tuple[str, int, int], list[Vector]] = defaultdict(list)
    clip = cv2.VideoCapture(str(assets / "videos/vtest.avi"))
    for number in range(max(wanted) + 1):
        read, picture = clip.read()
        for key, (x, y, w, h) in wanted.get(number, ()) if read else ():
            crop: Image = picture[max(0, round(y)) : round(y + h), max(0, round(x)) : round(x + w)]
            vectors[key].append(embedder.embed([crop])[0])
    tracks, who, looks = [], [], []
    for key in sorted((key for key in runs if vectors[key]), key=lambda key: runs[key][0][0]):
        run, mean = runs[key], np.mean(vectors[key], axis=0)
        tracks.append(Track((1, key[0], len(tracks)), key[0], run[0][0] / FPS, run[-1][0] / FPS))
        who.append(key[1])
        looks.append(np.asarray(mean / np.linalg.norm(mean), np.float32))
    return tracks, who, looks


def best_likeness(tracks: list[Track], who: list[int], looks: list[Vector]) -> float:
    """The cosine that parts pairs of one person from pairs of two best (F1), of tracks in different views."""
    cosines, same = [], []
    for one in tracks:
        for other in tracks[: tracks.index(one)]:
            if one.camera != other.camera and abs(one.first - other.first) <= HORIZON_S:
                cosines.append(float(looks[one.key[2]] @ looks[other.key[2]]))
                same.append(who[one.key[2]] == who[other.key[2]])
    values, truth = np.array(cosines), np.array(same)
    f1 = [2 * (truth & (values >= bar)).sum() / (truth.sum() + (values >= bar).sum()) for bar in cosines]
    return cosines[int(np.argmax(f1))]


def main(assets: Path) -> None:
    """Print the row."""
    tracks, who, looks = views(assets)
    half = max(track.last for track in tracks) / 2
    seen = [Seen(*track, looks[track.key[2]]) for track in tracks if track.last < half]
    likeness = best_likeness([track for track in tracks if track.last < half], who, looks)
    transitions = link(seen, likeness, horizon_s=HORIZON_S).transitions
    graph, everywhere = (
        follow_all(
            tracks,
            lambda track: who[track.key[2]],
            lambda track: looks[track.key[2]],
            sorted(PARTS),
            known,
            likeness=likeness,
            since=half,
            until=np.inf,
            each=1,
            horizon_s=HORIZON_S,
        )
        for known in (lambda at, looked: transitions, lambda at, looked: [])
    )
    told = f"{len(tracks)} tracks of {len(set(who))} people; {len(seen)} taught {len(transitions)} transitions"
    print(f"{told}; likeness {likeness:.3f}")  # noqa: T201
    print(table([("vtest, two views", Compared(graph, everywhere))]))  # noqa: T201


if __name__ == "__main__":
    main(Path(os.environ["VIDPIPE_ASSETS"]))
