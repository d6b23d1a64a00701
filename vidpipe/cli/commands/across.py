"""`vidpipe follow-up` and `vidpipe cameras`: one subject over several cameras."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidpipe.across.graph import ONE_SIDED, CameraGraph
from vidpipe.across.graph import Path as Passage
from vidpipe.across.search import LEAST_SHARE, Follow, Sighting, Track
from vidpipe.across.subjects import Vector, confused
from vidpipe.across.tracks import Known, Looks, learn, read
from vidpipe.cli.moments import moment
from vidpipe.cli.seconds import seconds
from vidpipe.cli.terminal.rows import local, print_json, print_table
from vidpipe.core.errors import ConfigError
from vidpipe.core.ways import Way, Ways
from vidpipe.results.store.file import default_path
from vidpipe.results.store.queries import Store
from vidpipe.statistics.wilson import wilson

NOT_SEEN = 1
"""Exit status where nobody was found."""

_MOST_CONFUSED = 0.02  # of pairs of two people, those who may look like one where alarms are to join
_POLL_S = 1.0
_TAKEN_OVER_S = 600.0
_BACK_S = 86400.0  # how long ago somebody may have left the first camera, where no time is given


@dataclass(frozen=True, slots=True)
class AcrossOptions:
    """What both commands take."""

    store: Path | None = None
    since: str | None = None
    class_: str | None = None
    likeness: float | None = None
    within: str = "10m"
    fade: str = "7d"
    clock_offset: Sequence[str] = ()
    json: bool = False

    def read(self, *, until: float | None = None) -> Known:
        """The store. Raises ConfigError."""
        return read(
            self.path,
            since=moment("--since", self.since, time.time()),
            until=until,
            class_=self.class_,
            offsets=offsets(self.clock_offset),
        )

    @property
    def path(self) -> Path:
        """Of the store."""
        return default_path() if self.store is None else self.store

    def settings(self) -> dict[str, Any]:
        """Of learning. Raises ConfigError."""
        now = time.time()
        return {
            "likeness": self.likeness,
            "horizon_s": seconds("--within", self.within) or 0.0,
            "half_life_s": now - (moment("--fade", self.fade, now) or 0.0),
        }


def offsets(given: Sequence[str]) -> dict[str, float]:
    """`CAMERA=SECONDS`, several times. Raises ConfigError."""
    found = {}
    for each in given:
        camera, _, number = each.rpartition("=")
        try:
            found[camera] = float(number)
        except ValueError:
            camera = ""
        if not camera:
            raise ConfigError(
                f"--clock-offset {each}: must be CAMERA=SECONDS, such as gate=90 for a clock that is ahead"
            )
    return found


def show_graph(options: AcrossOptions, ways: Path | None = None) -> int:
    """Print the camera graph, and write its ways for rules that join; the exit status.

    Raises:
        ConfigError: nobody knows a way well enough yet.
    """
    known = options.read()
    _must_be_described(known, options.path)
    learnt = learn(known, **options.settings())
    paths = learnt.graph.paths()
    if ways is not None:
        _ways_of(known, learnt.graph, options.likeness).write(ways)
    for suspicion in learnt.suspicions:
        sys.stderr.write(f"{suspicion}\n")
    if options.json:
        print_json(path.as_json() for path in paths)
    else:
        print_table([_row(path) for path in paths])
    if not paths:
        sys.stderr.write(
            f"nobody was seen on two cameras within {options.within}: {len(known.seen)} tracks of "
            f"{len(known.cameras)} cameras, {learnt.subjects} subjects; longer ways need --within, and tracks that "
            "look less alike --likeness\n"
        )
    if learnt.unclear:
        sys.stderr.write(
            f"{learnt.unclear} of {len(known.seen)} tracks look like two subjects, and are not counted: an embedder "
            "that was trained to tell them apart leaves fewer, as does a greater --likeness\n"
        )
    return 0 if paths else NOT_SEEN


def _ways_of(known: Known, graph: CameraGraph, likeness: float | None) -> Ways:
    """The ways that are known well enough.

    Raises:
        ConfigError: there are none, or it is not known that looks tell people apart.
    """
    sure = [
        Way.model_validate({name: path.as_json()[name] for name in ("from", "to", "earliest_s", "latest_s")})
        for path in graph.sure(LEAST_SHARE)
    ]
    if not sure:
        raise ConfigError(
            "--ways: of no way enough is known yet to join alarms by it: more people have to go it, each described on "
            "both cameras"
        )
    bar = known.likeness if likeness is None else likeness
    pairs, alike = confused(known.seen, bar)
    if wilson(alike, pairs, ONE_SIDED)[1] > _MOST_CONFUSED:
        raise ConfigError(
            f"--ways: {alike} of {pairs} pairs of tracks that were in view at once, and so are of two people, look "
            f"like one; it must be known that fewer than {_MOST_CONFUSED:.0%} do, or newcomers would be taken for "
            "others: an embedder that was trained to tell people apart, a greater --likeness, or more tracks"
        )
    newest = {camera: off for (_, camera), off in sorted(known.ahead.items())}  # a camera's newest run comes last
    ahead_s = {camera: off for camera, off in newest.items() if off}
    return Ways(likeness=bar, ahead_s=ahead_s, ways=tuple(sure))


@dataclass(frozen=True, slots=True)
class FollowOptions:
    """What `vidpipe follow-up` takes besides."""

    who: str
    camera: str | None = None
    at: str | None = None
    live: bool = False
    everywhere: bool = False


def follow_up(asked: FollowOptions, options: AcrossOptions) -> int:
    """Print where somebody was seen, as it is found; the exit status."""
    known = options.read()
    if asked.camera is not None:
        known.camera(asked.camera)
    picture = Path(asked.who).is_file()
    if picture and asked.camera is None:
        raise ConfigError("--from is missing: on which camera was the subject of that picture seen last?")
    looks, vector = _what_it_looks_like(asked, options, known, picture=picture)
    try:
        begin = _begin(asked, options, known, looks, vector, picture=picture)
        return _follow(begin, asked, options, known, looks, vector)
    finally:
        _keep(looks, options.path)


def _follow(
    begin: Track, asked: FollowOptions, options: AcrossOptions, known: Known, looks: Looks, vector: Vector
) -> int:
    settings = options.settings()
    learnt = learn(known, **settings)
    for suspicion in learnt.suspicions:
        sys.stderr.write(f"{suspicion}\n")
    bar = known.likeness if options.likeness is None else options.likeness
    if not learnt.graph.left(begin.camera):
        sys.stderr.write(f"nobody is known to have left {begin.camera} before: all cameras are searched\n")
    follow = Follow(
        learnt.graph,
        looks,
        vector,
        begin.camera,
        begin.last,
        likeness=bar,
        known=[] if begin.key[0] < 0 else [begin.key],
        check=1.0 if asked.everywhere else 0.0,
    )
    sys.stderr.write(f"from {begin.camera} at {local(begin.last)}, likeness {bar:.2f} and more\n")
    found = _advance(follow, asked, options, known, looks)
    _tell_end(follow, options, known, looks)
    return 0 if found else NOT_SEEN


def _advance(follow: Follow, asked: FollowOptions, options: AcrossOptions, known: Known, looks: Looks) -> int:
    found = 0
    live = asked.live and known.live
    while True:
        for sighting in follow.advance(known.tracks, known.until if live else float("inf")):
            found += 1
            _show(sighting, known, as_json=options.json)
        if follow.over:
            return found
        time.sleep(_POLL_S)
        known = options.read()
        looks.renew(known)
        live = known.live


def _keep(looks: Looks, path: Path) -> None:
    """A store that cannot be written is no reason not to search it."""
    try:
        looks.keep(path)
    except ConfigError as error:
        sys.stderr.write(f"what was computed is not kept: {error}\n")


def _what_it_looks_like(
    asked: FollowOptions, options: AcrossOptions, known: Known, *, picture: bool
) -> tuple[Looks, Vector]:
    from vidpipe.pipeline.yaml.load import shipped
    from vidpipe.results.store.alike import embedder_of, like_picture

    with Store(options.path) as store:
        provenances = [run["provenance"] for run in store.runs()]
        places = [Path.cwd(), shipped()]
        if picture:
            like = like_picture(provenances, Path(asked.who), places)
            if not like.vector.any():
                raise ConfigError(f"picture {asked.who} shows nothing but an even area: take one of the object itself")
            return Looks(known, lambda: embedder_of(provenances, places)), like.vector
        event = store.event(asked.who)
    if event is None:
        raise ConfigError(f"there is no event '{asked.who}' in the store, and no picture of that name")
    track = next((each for each in known.tracks if _is_of(event, each, known)), None)
    if track is None:
        raise ConfigError(f"event '{asked.who}' is of no object that was tracked: take another one, or a picture")
    looks = Looks(known, lambda: embedder_of(provenances, places))
    vector = looks(track)
    if vector is None:
        raise ConfigError(
            f"what the object of event '{asked.who}' looks like is not stored: its run had no `describe`, and no "
            "picture of it was kept (--media)"
        )
    return looks, vector


def _is_of(event: Mapping[str, Any], track: Track, known: Known) -> bool:
    """An object that comes back under another identity keeps its first one in events for a while."""
    at = event["time"] - known.ahead.get(track.key[:2], 0.0)
    same = (track.camera, track.key[2]) == (event["stream"], event["track_id"])
    return same and track.first - 1 <= at <= track.last + _TAKEN_OVER_S


def _begin(
    asked: FollowOptions, options: AcrossOptions, known: Known, looks: Looks, vector: Vector, *, picture: bool
) -> Track:
    """Where the search begins: the event's own track, that of the picture, or a camera and a time."""
    if not picture:
        with Store(options.path) as store:
            event = store.event(asked.who)
        own = next((each for each in reversed(known.tracks) if event is not None and _is_of(event, each, known)), None)
        if own is not None and asked.camera in (None, own.camera) and asked.at is None:
            return own
    camera = asked.camera or known.tracks[-1].camera
    at = moment("--at", asked.at, time.time())
    if at is not None:
        return Track((-1, camera, -1), camera, at, at)
    bar = known.likeness if options.likeness is None else options.likeness
    best = -1.0
    newest = known.until
    for track in reversed(known.tracks):
        if track.camera != camera or track.last < newest - _BACK_S or (seen := looks(track)) is None:
            continue
        likeness = float(seen @ vector) if len(seen) == len(vector) else -1.0
        if likeness >= bar:
            return track
        best = max(best, likeness)
    told = "no track of it is described" if best < 0 else f"the most alike: {best:.2f}, and {bar:.2f} is asked for"
    raise ConfigError(
        f"nobody on camera {camera} in its last day looks like {asked.who} ({told}): does it show one object and "
        "nothing else? --at says when it was there, --likeness asks for less"
    )


def _must_be_described(known: Known, path: Path) -> None:
    if not known.tracks:
        raise ConfigError(f"store {path}: it has no tracks, or none of that --class and --since")
    if not known.seen:
        raise ConfigError(
            f"store {path}: nothing says what its {len(known.tracks)} tracks look like: give the pipeline a transform "
            "`describe` (docs/follow-up.md)"
        )


def _show(sighting: Sighting, known: Known, *, as_json: bool) -> None:
    track = sighting.track
    picture = known.pictures.get(track.key)
    row = {
        "camera": track.camera,
        "time": track.first,
        "last": track.last,
        "track_id": track.key[2],
        "likeness": sighting.likeness,
        "found": str(sighting.bounds),
        "looks": sighting.looks,
        "picture": None if picture is None else str(picture),
    }
    if as_json:
        line = json.dumps(row)
    else:
        told = local(track.first), track.camera, f"{sighting.likeness:.2f}", str(sighting.bounds), str(picture or "")
        line = "  ".join(told).rstrip()
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _tell_end(follow: Follow, options: AcrossOptions, known: Known, looks: Looks) -> None:
    camera, at = follow.place
    told = (
        f"; up to {follow.beyond:.1%} of those who leave {camera} are seen elsewhere or later: --everywhere looks there"
        if follow.beyond > 0
        else ""
    )
    sys.stderr.write(
        f"not seen again within {options.within} of leaving {camera} at {local(at)}; {follow.looks} looks of "
        f"{len(known.tracks)} tracks, {looks.computed} of them computed{told}\n"
    )
    if looks.nothing:
        sys.stderr.write(f"{looks.nothing} tracks could not be looked at: not described, and no picture was kept\n")


def _row(path: Passage) -> dict[str, str]:
    return {
        "from": path.begin,
        "to": path.end,
        "share": f"{path.share:.2f}",
        "95 %": f"{path.low:.2f} to {path.high:.2f}",
        "count": str(path.count),
        "takes": f"{path.window.start_s:.0f} to {path.window.end_s:.0f} s",
    }
