"""Which events join the alarm of another camera. What must hold, whoever walks where:

- it does not matter which camera's results come first, so long as none is later than the others by `LATE_S`;
- where looks tell people apart no alarm is of two people, so there are never fewer alarms than people;
- who goes by known ways has one alarm, and who might be anybody has one of his own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidpipe.core.event import Event, Look, Phase
from vidpipe.core.ways import Ways
from vidpipe.results.joins import LATE_S, Joins, Sighted

CAMERAS = ("gate", "yard", "shop")
WAYS = Ways.model_validate(
    {
        "likeness": 0.8,
        "ways": [
            {"from": "gate", "to": "yard", "earliest_s": 4, "latest_s": 20},
            {"from": "yard", "to": "shop", "earliest_s": 4, "latest_s": 20},
            {"from": "gate", "to": "shop", "earliest_s": 4, "latest_s": 20},
            {"from": "shop", "to": "gate", "earliest_s": -1, "latest_s": 20},
        ],
    }
)
STAY_S, TOLD_S = 6, 3  # how long somebody is in view, and after how much of that it is told


def clothes(person: int, shade: float = 0.0) -> np.ndarray:
    """What somebody looks like: as nobody else, and a little otherwise each time."""
    vector = np.eye(40)[person] + shade * np.eye(40)[person + 20]
    return vector / np.linalg.norm(vector)


class Stay:
    """Somebody before a camera from `first` on, in tenths of a second."""

    def __init__(
        self,
        number: int,
        person: int,
        camera: str,
        first: int,
        vector: np.ndarray | None = None,
        *,
        told_s: float = TOLD_S,
    ) -> None:
        self.number, self.person, self.camera, self.first = number, person, camera, first
        self.told = first + round(told_s * 10)
        self.vector = clothes(person, 0.1 * (number % 3)) if vector is None else vector

    @property
    def last(self) -> int:
        return self.first + STAY_S * 10

    @property
    def look(self) -> Look:
        return Look(tuple(self.vector.tolist()), self.first / 10, WAYS)

    def event(
        self, phase: Phase = Phase.BEGIN, at: int | None = None, kind: str = "zone.dwell", ways: Ways = WAYS
    ) -> Event:
        seq = self.told if at is None else at
        look = self.look._replace(ways=ways) if phase is Phase.BEGIN else None
        place, id = (self.camera, seq, seq / 10, seq / 10), f"{kind}/{self.number}"
        return Event(kind, *place, "stays", id, phase=phase, data={"track_id": self.number}, look=look)


def published(stays: Sequence[Stay], *, step: int = 5) -> Iterator[tuple[Sighted, list[Event]]]:
    """The results of all cameras in order of time, two a second each, with the events of each."""
    for seq in range(0, max(stay.last for stay in stays) + 100, step):
        for camera in CAMERAS:
            here = [stay for stay in stays if stay.camera == camera]
            ids = [stay.number for stay in here if stay.first <= seq <= stay.last]
            begun = [stay.event(at=seq) for stay in here if seq - step < stay.told <= seq]
            ended = [stay.event(Phase.END, seq) for stay in here if seq - step < stay.last <= seq]
            yield Sighted(camera, seq, seq / 10, ids), begun + ended


def alarms(
    stays: Sequence[Stay], late: Mapping[str, float] | None = None, at_once: int = 1
) -> dict[tuple[str, Phase], str | None]:
    """What each event joins, by its id and phase.

    Args:
        late: seconds by which the results of cameras come later.
        at_once: how many results come together.
    """
    told = list(published(stays))
    told.sort(key=lambda each: each[0].time + (late or {}).get(each[0].stream, 0.0))
    joins, found = Joins(), {}
    for start in range(0, len(told), at_once):
        together = told[start : start + at_once]
        events = [event for _, each in together for event in each]
        for before, event in zip(events, joins.join([result for result, _ in together], events), strict=True):
            assert event.data.items() >= before.data.items()
            found[f"{event.stream}/{event.id}", event.phase] = event.data.get("joins")
    return found


def begun(stays: Sequence[Stay], **options: Any) -> list[str | None]:
    """What the event of each stay joins."""
    found = alarms(stays, **options)
    return [found[f"{stay.camera}/zone.dwell/{stay.number}", Phase.BEGIN] for stay in stays]


JOURNEYS = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(CAMERAS), st.integers(-20, 10) | st.integers(-80, 300), st.sampled_from([0.5, 1.0, 3.0])
        ),
        min_size=1,
        max_size=4,
    ),
    min_size=1,
    max_size=8,
)
"""Of each person: cameras, tenths of a second from leaving the one before, and after how many seconds that is told."""


def walked(journeys: list[list[tuple[str, int, float]]]) -> list[Stay]:
    """Each person from camera to camera, on each of them so long after leaving the one before, or before leaving it."""
    stays: list[Stay] = []
    for person, journey in enumerate(journeys):
        at = 7 * person
        for camera, gap, told_s in journey:
            first = max(0, at + gap)
            stays.append(Stay(len(stays) + 1, person, camera, first, told_s=told_s))
            at = first + STAY_S * 10
    return stays


@settings(deadline=None, max_examples=60)
@given(
    JOURNEYS,
    st.fixed_dictionaries({camera: st.floats(0, LATE_S - 0.01) for camera in CAMERAS}),
    st.integers(1, 60),
)
def test_it_does_not_matter_whose_results_come_first(journeys, late, at_once):
    stays = walked(journeys)
    assert alarms(stays) == alarms(stays, late, at_once)


@settings(deadline=None, max_examples=60)
@given(JOURNEYS)
def test_there_are_never_fewer_alarms_than_people(journeys):
    stays = walked(journeys)
    person = {f"{stay.camera}/zone.dwell/{stay.number}": stay.person for stay in stays}
    joined = begun(stays)
    for stay, alarm in zip(stays, joined, strict=True):
        assert alarm is None or person[alarm] == stay.person
    assert {stay.person for stay, alarm in zip(stays, joined, strict=True) if alarm is None} == set(person.values())


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(45, 195), st.integers(45, 195)), min_size=1, max_size=8))
def test_who_goes_by_known_ways_has_one_alarm(gaps):
    journeys = [[("gate", 0, 3.0), ("yard", first, 3.0), ("shop", second, 3.0)] for first, second in gaps]
    stays = walked(journeys)
    for person in range(len(journeys)):
        own = [stay for stay in stays if stay.person == person]
        first = f"gate/zone.dwell/{own[0].number}"
        assert [alarms(stays)[f"{stay.camera}/zone.dwell/{stay.number}", Phase.BEGIN] for stay in own] == [
            None,
            first,
            first,
        ]


@settings(deadline=None, max_examples=60)
@given(JOURNEYS, st.sampled_from(CAMERAS), st.integers(0, 400))
def test_a_newcomer_is_an_alarm_whoever_else_is_about(journeys, camera, first):
    stays = walked(journeys)
    newcomer = Stay(len(stays) + 1, len(journeys), camera, first)
    assert begun([*stays, newcomer])[-1] is None


GATE = Stay(1, 0, "gate", 0)
LATER = GATE.last + 100


@pytest.mark.parametrize(
    ("stays", "expected"),
    [
        pytest.param([GATE, Stay(2, 0, "yard", LATER)], "gate/zone.dwell/1", id="who comes in time joins"),
        pytest.param([GATE, Stay(2, 1, "yard", LATER)], None, id="somebody else"),
        pytest.param([GATE, Stay(2, 0, "yard", GATE.last + 30)], None, id="too soon for the way"),
        pytest.param([GATE, Stay(2, 0, "yard", GATE.last + 210)], None, id="too late for it"),
        pytest.param([Stay(1, 0, "yard", 0), Stay(2, 0, "gate", LATER)], None, id="a way that nobody knows"),
        pytest.param([GATE, Stay(2, 0, "gate", LATER)], None, id="the same camera again"),
        pytest.param([GATE, Stay(2, 0, "yard", LATER, np.eye(3)[0])], None, id="a vector of another model"),
        pytest.param([GATE, Stay(3, 0, "gate", 10), Stay(2, 0, "yard", LATER)], None, id="it may be either"),
        pytest.param([Stay(1, 0, "shop", 0), Stay(2, 0, "gate", 58)], "shop/zone.dwell/1", id="cameras that overlap"),
        pytest.param([Stay(1, 0, "shop", 0), Stay(2, 0, "gate", 20)], None, id="who is still there is somebody else"),
    ],
)
def test_an_event_joins_or_is_an_alarm_of_its_own(stays, expected):
    assert begun(stays)[-1] == expected


@pytest.mark.parametrize("late", [{}, {"shop": 1.9}, {"gate": 1.9, "yard": 1.9}], ids=str)
@pytest.mark.parametrize(
    ("stays", "expected"),
    [
        pytest.param(
            [Stay(1, 0, "shop", 0), Stay(2, 0, "gate", 55, told_s=1)], None, id="who left within two seconds before"
        ),
        pytest.param(
            [GATE, Stay(2, 0, "yard", 110), Stay(3, 0, "shop", 115), Stay(4, 0, "gate", 240)],
            "gate/zone.dwell/1",
            id="the last of two cameras is the one that was left",
        ),
    ],
)
def test_whichever_comes_first(stays, expected, late):
    assert begun(stays, late=late)[-1] == expected


@pytest.mark.parametrize("late", [0, 18])
def test_what_is_told_of_the_first_camera_within_two_seconds_before_does_not_count(late):
    """A crossing is told when somebody has been lost for a while, who may be before the next camera by then."""
    left, here = Stay(1, 0, "shop", 0), Stay(2, 0, "gate", 60, told_s=2.1)
    joins, told = Joins(), list(published([left, here], step=1))
    found, again = [], left.event(at=80, kind="line.cross")
    for result, events in sorted(told, key=lambda each: each[0].seq + late * (each[0].stream == "shop")):
        events = [*events, again] if (result.stream, result.seq) == ("shop", 80) else events
        found += joins.join([result], events)
    assert {event.id: event.data.get("joins") for event in found if event.phase is Phase.BEGIN} == {
        "zone.dwell/1": None,
        "line.cross/1": None,
        "zone.dwell/2": "shop/zone.dwell/1",
    }


def test_a_camera_that_is_later_than_that_costs_an_alarm_more():
    stays = [GATE, Stay(2, 0, "yard", LATER)]
    assert begun(stays, late={"gate": 30.0}) == [None, None]


def test_all_phases_say_what_the_first_one_joined_and_then_it_is_forgotten():
    joins, stay = Joins(), Stay(2, 0, "yard", LATER)
    for result, events in published([GATE]):
        joins.join([result], events)
    later = [Sighted(camera, LATER, LATER / 10, ()) for camera in CAMERAS]
    begin, update = joins.join(later, [stay.event(), stay.event(Phase.UPDATE)])
    (end,) = joins.join((), [stay.event(Phase.END)])
    (again,) = joins.join((), [stay.event(Phase.UPDATE)])
    assert [each.data.get("joins") for each in (begin, update, end, again)] == ["gate/zone.dwell/1"] * 3 + [None]


def test_who_is_told_of_twice_where_he_began_is_joined_to_the_newer_alarm():
    joins, stay = Joins(), Stay(2, 0, "yard", LATER)
    found = []
    for result, events in published([GATE, stay]):
        if (result.stream, result.seq) == ("gate", GATE.told + 10):
            events = [*events, GATE.event(at=result.seq, kind="line.cross")]
        found += joins.join([result], events)
    assert {event.id: event.data.get("joins") for event in found} == {
        "zone.dwell/1": None,
        "line.cross/1": None,
        "zone.dwell/2": "gate/line.cross/1",
    }


@pytest.mark.parametrize(("ahead_s", "expected"), [(100.0, "gate/zone.dwell/1"), (0.0, None)])
def test_clocks_that_are_ahead_are_set_right(ahead_s, expected):
    joins, stay = Joins(), Stay(2, 0, "yard", LATER + 1000)
    for result, events in published([GATE]):
        joins.join([result], events)
    told = stay.event(ways=WAYS.model_copy(update={"ahead_s": {"yard": ahead_s}}))
    (found,) = joins.join([Sighted("yard", stay.told, stay.told / 10, [2])], [told])
    assert found.data.get("joins") == expected
