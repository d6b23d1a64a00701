"""What an event is worth that forty examples teach: on days of a generated street that nobody has marked, and on real
footage in parts of time; and what it costs.

    python -m benchmarks taught              all of it, for the page
    python -m benchmarks taught street       somebody meets somebody: closer than a height, for a second
    python -m benchmarks taught questions    which moments a person should be asked about
    python -m benchmarks taught clips        two pass each other, by people's labels (VIDPIPE_ASSETS)
    python -m benchmarks taught cost         CPU time of rules a result

Boxes are those of `follow` as it comes, with difference detector: nothing that is learnt from is the truth itself.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, pairwise
from math import hypot
from pathlib import Path
from statistics import fmean, median
from textwrap import wrap
from time import process_time
from typing import Any, NamedTuple

from benchmarks.footage import ASSETS
from vidpipe.bench.labels.mot import names_path
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.runtime.driver.run import run
from vidpipe.teaching.examples import Example
from vidpipe.teaching.judge import Judged, Span, judge
from vidpipe.teaching.recorded import results, show, told
from vidpipe.teaching.teach import Lesson, teach
from vidpipe.testing.scene import SceneSpec, write
from vidpipe.transforms.rules.engine import Engine
from vidpipe.transforms.rules.spec import RulesConfig

FOLDER = Path("bench-output/taught").absolute()
SECONDS = 150.0
DAYS = 6  # that teach, and others that are told of
TEACH, TELL = 500, 600  # seeds of the first of each; features and smoothing were chosen on days from 100 on
NEAR = 1.0  # heights between the feet of two
LEAST_S = 1.0  # for which they are so near, gaps of as long left out
EXAMPLES = 40
DRAWS = 5  # of the examples
ASKED = 8  # draws, where it matters which are asked about
WIDTH = 118  # characters of a line of the page
PARTS = 4  # of time, of which each is left out once
STREAM = "street"
RULES = "rules: [{id: meets, kind: learnt, features: [difference]}]\n"
_COUNTS_FROM = 0.25

Moments = list[tuple[float, float]]


class Day(NamedTuple):
    """A recording that is answered, with its truth.

    Attributes:
        meets: when the event is.
        length_s: media seconds.
    """

    results: Path
    meets: Moments
    length_s: float


def days(first: int, count: int) -> Iterator[SceneSpec]:
    """So many days: other people, light, noise, size of the picture; half of them in a mirror, some with a night.

    Args:
        first: seed of the first one.
    """
    chance = random.Random(first)
    for seed in range(first, first + count):
        width, height = chance.choice([(768, 576), (640, 480), (960, 544)])
        yield SceneSpec(
            width=width,
            height=height,
            duration_s=SECONDS,
            seed=seed,
            arrivals_per_minute=chance.choice([12.0, 16.0, 20.0]),
            light_drift=chance.choice([0.03, 0.1, 0.2]),
            noise_sigma=chance.choice([1.5, 3.0, 5.0]),
            night=(0.6, 0.9) if seed % 6 == 3 else None,
            cast="a" if seed % 2 else "b",
        )


def day(spec: SceneSpec) -> Day:
    """Generated and answered, unless that was done before."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    clip = FOLDER / f"day{spec.seed}.mp4"
    if not clip.is_file():
        part = clip.with_suffix(".part.mp4")
        files = write(spec, part)
        files.truth.replace(clip.with_suffix(".txt"))
        files.names.replace(names_path(clip.with_suffix(".txt")))
        part.replace(clip)
    return Day(answered(clip), meets(clip.with_suffix(".txt"), spec.fps), spec.duration_s)


def answered(clip: Path) -> Path:
    """What `follow` says of a clip, with the features that it has computed."""
    found = FOLDER / f"{clip.stem}.jsonl"
    if not found.is_file():
        config = FOLDER / "rules.yaml"
        config.write_text(RULES)
        sets = ["stages.difference.enabled=true"]
        pipeline = load("follow", config=config, sources={STREAM: str(clip)}, sets=sets)
        part = found.with_suffix(".part")
        outcome = run(pipeline, engine="inline", sinks=[ResultsFile(part)])
        assert outcome.exit_status == 0, outcome.errors
        part.replace(found)
    return found


def people(truth: Path) -> dict[int, dict[int, tuple[float, float, float]]]:
    """Where people stand and how tall they are, in pixels, by frame and number, of labels as MOT Challenge has them."""
    there: dict[int, dict[int, tuple[float, float, float]]] = defaultdict(dict)
    for line in truth.read_text().splitlines():
        frame, number, x, y, w, h, counts, *more = (float(part) for part in line.split(","))
        own = len(more) == 2  # class and visibility; people's labels have places in the world there, and people alone
        if counts and (not own or (more[0] == 1 and more[1] >= _COUNTS_FROM)):
            there[int(frame)][int(number)] = x + w / 2, y + h, h
    return dict(sorted(there.items()))


def meets(truth: Path, fps: float) -> Moments:
    """When two people are near each other."""
    near = [
        (frame - 1) / fps
        for frame, there in people(truth).items()
        if any(_apart(a, b) < NEAR for a, b in combinations(there.values(), 2))
    ]
    return [(begin, end) for begin, end in _joined(near) if end - begin >= LEAST_S]


def passes(truth: Path, fps: float) -> Moments:
    """When two who walk in opposite directions pass each other, within half a height."""
    known = people(truth)
    at = []
    for frame, there in known.items():
        before = known.get(frame - round(fps), {})
        for one, other in combinations(sorted(there.keys() & before.keys()), 2):
            went = [(there[each][0] - before[each][0]) / there[each][2] for each in (one, other)]
            if went[0] * went[1] < 0 and min(map(abs, went)) > 0.2 and _apart(there[one], there[other]) < NEAR / 2:
                at.append((frame - 1) / fps)
                break
    return [(begin, end) for begin, end in _joined(at) if end > begin]


def _apart(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    return 2 * hypot(one[0] - other[0], one[1] - other[1]) / (one[2] + other[2])


def _joined(times: Sequence[float]) -> Moments:
    moments: Moments = []
    for at in times:
        if moments and at - moments[-1][1] <= LEAST_S:
            moments[-1] = moments[-1][0], at
        else:
            moments.append((at, at))
    return moments


def quiet(marked: Moments, length_s: float, slack_s: float = 0.0) -> Moments:
    """The time between moments."""
    edges = [(0.0, 0.0), *marked, (length_s, length_s)]
    gaps = [(before[1] + slack_s, after[0] - slack_s) for before, after in pairwise(edges)]
    return [(begin, end) for begin, end in gaps if end - begin >= LEAST_S]


def marked(day: Day, chance: random.Random) -> list[Example]:
    """All that a patient user could mark: each time that it is, and stretches of up to five seconds in between."""
    name = day.results.name.removesuffix(".jsonl")
    yes = [Example(name, STREAM, begin, end, True, None, "truth") for begin, end in day.meets]
    no = []
    for begin, end in quiet(day.meets, day.length_s, 1.0):
        for _ in range(1 + int((end - begin) // 20)):
            length = min(end - begin, chance.uniform(2, 5))
            at = chance.uniform(begin, end - length)
            if all(at >= each.end or at + length <= each.begin for each in no):
                no.append(Example(name, STREAM, at, at + length, False, None, "truth"))
    return [*yes, *no]


def in_full(day: Day, piece_s: float = 3.0) -> list[Example]:
    """Each time that it is, and all the rest in pieces of so many seconds."""
    name = day.results.name.removesuffix(".jsonl")
    yes = [Example(name, STREAM, begin, end, True, None, "truth") for begin, end in day.meets]
    no = []
    for begin, end in quiet(day.meets, day.length_s, 0.5):
        count = max(1, round((end - begin) / piece_s))
        length = (end - begin) / count
        no += [
            Example(name, STREAM, begin + n * length, begin + (n + 1) * length, False, None, "") for n in range(count)
        ]
    return [*yes, *no]


def some(examples: Sequence[Example], chance: random.Random, count: int = EXAMPLES) -> list[Example]:
    """As many of each class as there may be, at random."""
    chosen = []
    for value in (True, False):
        own = [each for each in examples if each.yes == value]
        chosen += chance.sample(own, min(count // 2, len(own)))
    return chosen


def held_against(classifier: object, days: Sequence[Day]) -> Judged:
    """What it tells of whole days, each second of which is yes or no."""
    counts = Judged(0, 0, 0, 0)
    for each in days:
        name = each.results.name.removesuffix(".jsonl")
        spans = [[Span(name, STREAM, *one) for one in part] for part in (each.meets, quiet(each.meets, each.length_s))]
        events = told(classifier, [each.results], {name: {STREAM}})  # type: ignore[arg-type]
        counts = Judged(*(a + b for a, b in zip(counts, judge(events, spans[0], spans[1], 2.0), strict=True)))
    return counts


def street() -> Iterator[str]:
    """Taught by forty examples of six days, told of six others; several draws of the examples."""
    seen, unseen = ([day(spec) for spec in days(first, DAYS)] for first in (TEACH, TELL))
    yield from wrap(
        f"Somebody meets somebody, closer than a height for a second and more: {_count(seen)} times on {DAYS} "
        f"generated days of {SECONDS:.0f} s, {EXAMPLES} examples of which teach, and {_count(unseen)} times on {DAYS} "
        "others, of which every second counts. Days differ in people, light, noise, size, side and night. All were "
        "generated after features and smoothing had been chosen on other days. Counts and the interval are those of "
        "the middle draw.",
        WIDTH,
    )
    yield from (
        "",
        "| taught by | draws of the examples | F1 of events, mean | least | most | 95 % | found | missed | false |",
        "|---|---|---|---|---|---|---|---|---|",
    )
    for features in (["boxes"], ["difference"], ["boxes", "difference"]):
        drawn = []
        for number in range(DRAWS):
            chance = random.Random(number)
            examples = some([one for each in seen for one in marked(each, chance)], chance)
            taught = teach(Lesson("meets", features), examples, [each.results for each in seen])
            drawn.append(held_against(taught.classifier, unseen).figures())
        yield row(" and ".join(features), drawn)


def _count(days: Sequence[Day]) -> int:
    return sum(len(each.meets) for each in days)


def row(name: str, drawn: Sequence[dict[str, Any]]) -> str:
    """A line of the table: F1 over several draws; counts of the middle one."""
    ordered = sorted(drawn, key=lambda each: each["f1"]["estimate"] or 0.0)
    f1 = [each["f1"]["estimate"] or 0.0 for each in ordered]
    middle = ordered[len(ordered) // 2]
    shown = f"{fmean(f1):.3f} | {f1[0]:.3f} | {f1[-1]:.3f} | {middle['f1']['low']:.2f} to {middle['f1']['high']:.2f}"
    return f"| {name} | {len(f1)} | {shown} | {middle['found']} | {middle['missed']} | {middle['wrong']} |"


def questions() -> Iterator[str]:
    """What further examples are worth, by which moments a person is asked about."""
    seen, unseen = ([day(spec) for spec in days(first, DAYS)] for first in (TEACH, TELL))
    paths = [each.results for each in seen]
    lesson = Lesson("meets", ["boxes"], held=0.0)

    def f1(examples: Sequence[Example]) -> float:
        return held_against(teach(lesson, examples, paths).classifier, unseen).figures()["f1"]["estimate"] or 0.0

    found: dict[str, list[float]] = defaultdict(list)
    for number in range(ASKED):
        chance = random.Random(100 + number)
        first = some([one for each in seen for one in marked(each, chance)], chance, EXAMPLES // 2)
        taken = {(each.recording, each.begin, each.end) for each in first}
        rest = [
            each
            for every in seen
            for each in in_full(every, 2.0)
            if not any(each.recording == name and each.begin < end and begin < each.end for name, begin, end in taken)
        ]
        one = teach(lesson, first, paths).classifier
        shown = enumerate(show(one, paths, rest))
        unsure = [
            (abs(max(one.scorer.scores(each.windows)) - one.begin), at)
            for at, each in shown
            if not isinstance(each, str)
        ]
        found[f"{len(first)} examples"].append(f1(first))
        more = EXAMPLES // 2
        found[f"and {more} that chance has chosen"].append(f1([*first, *chance.sample(rest, more)]))
        found[f"and {more} that it was least sure of"].append(
            f1([*first, *(rest[at] for _, at in sorted(unsure)[:more])])
        )
    yield from wrap(
        f"Which moments a person should be asked about: what {EXAMPLES // 2} examples of these days have taught, and "
        f"that with as many answers more, told of the other days; {ASKED} draws. Only moments that chance has chosen "
        "tell how often it errs as well.",
        WIDTH,
    )
    yield from ("", "| taught by | F1 of events, mean | least | most |", "|---|---|---|---|")
    for name, values in found.items():
        yield f"| {name} | {fmean(values):.3f} | {min(values):.3f} | {max(values):.3f} |"


def clips() -> Iterator[str]:
    """Real clips with labels: each part of time left out once, the others marked in full."""
    yield from wrap(
        "Two pass each other, within half a height and in opposite directions, by people's labels; each quarter of the "
        "recording is left out once, and all the rest marked. A feature, how near two are who go in opposite "
        "directions, was made while looking at vtest.avi: its figure is no forecast.",
        WIDTH,
    )
    yield from (
        "",
        "| recording | events | quarters refused | found | missed | false | F1 (95 %) |",
        "|---|---|---|---|---|---|---|",
    )
    for name, fps in (("vtest.avi", 10.0), ("TUD-Stadtmitte.mp4", 25.0)):
        clip = ASSETS / "videos" / name
        if not clip.is_file():
            continue
        found = answered(clip)
        length = max(seen.pts for _, seen in results(found))
        whole = Day(found, passes(ASSETS / "truth" / f"{clip.stem}.txt", fps), length)
        counts, refused = Judged(0, 0, 0, 0), 0
        for part in range(PARTS):
            begin, end = length * part / PARTS, length * (part + 1) / PARTS
            examples = [each for each in in_full(whole) if each.end < begin - 4 or each.begin > end + 4]
            try:
                taught = teach(Lesson("passes", ["boxes"], held=0.0), examples, [found])
            except ConfigError:  # no better than chance, or too few
                refused += 1
                continue
            own = [(max(a, begin), min(b, end)) for a, b in whole.meets if a < end and b > begin]
            recording = found.name.removesuffix(".jsonl")
            events = [
                event
                for event in told(taught.classifier, [found], {recording: {STREAM}})
                if event.begin < end and event.end > begin
            ]
            no = [(max(a, begin), min(b, end)) for a, b in quiet(whole.meets, length) if a < end and b > begin]
            spans = [[Span(recording, STREAM, *one) for one in each] for each in (own, no)]
            counts = Judged(*(a + b for a, b in zip(counts, judge(events, spans[0], spans[1], 2.0), strict=True)))
        f1 = counts.figures()["f1"]
        interval = "" if refused == PARTS else f"{f1['estimate']:.2f} ({f1['low']:.2f} to {f1['high']:.2f})"
        told_of = " | ".join(str(each) for each in counts[:3])
        yield f"| {name} | {len(whole.meets)} | {refused} of {PARTS} | {told_of} | {interval or 'nothing is learnt'} |"


def cost() -> Iterator[str]:
    """CPU time of rules a result with the event and without, in turns, over the same results."""
    every = [day(spec) for spec in days(TEACH, DAYS)]
    seen = [each for _, each in results(every[0].results)]
    chance = random.Random(0)
    examples = some([mark for each in every for mark in marked(each, chance)], chance)
    taught = teach(Lesson("meets", ["boxes", "difference"]), examples, [each.results for each in every])
    rule = {"id": "meets", "kind": "learnt", "event": taught.classifier}
    without = RulesConfig.model_validate({"rules": [{"id": "any", "kind": "degraded"}]})
    beside = RulesConfig.model_validate({"rules": [{"id": "any", "kind": "degraded"}, rule]})
    more = []
    for _ in range(15):
        taken = []
        for config in (without, beside):
            engine = Engine(config)
            began = process_time()
            for each in seen:
                engine.see(each)
            taken.append((process_time() - began) / len(seen))
        more.append(1e6 * (taken[1] - taken[0]))
    boxes = sum(len(each.boxes) for each in seen) / len(seen)
    yield from wrap(
        f"A rule with such an event takes {median(more):.0f} us of CPU a result more (median of {len(more)} turns "
        f"over a day of the street, {boxes:.1f} boxes a result; by boxes and blocks): {median(more) / 1000:.3f} ms, of "
        "0.1 wanted at most.",
        WIDTH,
    )


PART: dict[str, Callable[[], Iterator[str]]] = {"street": street, "questions": questions, "clips": clips, "cost": cost}


def report(names: Sequence[str], _: Path) -> Iterator[str]:
    """The section of the page; of some parts alone, where they are named."""
    os.chdir(ASSETS / "models")
    yield from ("## Events by examples", "", "    python -m benchmarks taught", "")
    for name, part in PART.items():
        if name in names or not names:
            yield from part()
            yield ""
