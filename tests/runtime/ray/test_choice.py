"""Which machine an actor stands on. What must hold, whatever machines there are:

- it offers the tier, and is of the place's site; a place of no site keeps away from machines of sites if it can;
- no machine has more actors than it offers of the tier, against the others, by more than one;
- where a tier is narrowed, it is called so, has these labels, and no GPU is given away twice;
- what passes the check stands somewhere, and what does not is told with what to type.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.plan import Place
from vidpipe.pipeline.spec import Tier, TierSpec
from vidpipe.runtime.machine import Machine, fitting
from vidpipe.runtime.ray import machines
from vidpipe.runtime.ray.machines import Machines

ADDRESS = "10.0.0.1:6379"
MACHINES = st.lists(
    st.tuples(st.sampled_from(["", "north", "south"]), st.dictionaries(st.sampled_from(list(Tier)), st.integers(1, 3))),
    max_size=6,
).map(
    lambda drawn: [
        Machine(f"{i:056x}", f"10.0.0.{i}", tiers, {"site": site} if site else {})
        for i, (site, tiers) in enumerate(drawn)
    ]
)
PLACES = st.builds(
    lambda tier, site: Place(range(1), f"{site}/{tier}" if site else str(tier), tier, site),
    st.sampled_from(list(Tier)),
    st.sampled_from(["", "north", "south"]),
)


@given(MACHINES, PLACES, st.integers(1, 12))
def test_actors_are_shared_out_over_the_machines_that_fit(there: list[Machine], place: Place, actors: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machines, "machines", lambda: there)
        choosing = Machines(ADDRESS, {})
        nodes = [choosing.options(place)[1] for _ in range(actors)]
        count = choosing.count(place)
    offering = [machine for machine in there if place.tier in machine.tiers]
    of_site = [machine for machine in offering if machine.site == place.site]
    fitting = {machine.node: machine for machine in (of_site if place.site or of_site else offering)}
    assert count == len(fitting)
    if not fitting:
        assert set(nodes) == {None}
        return
    assert set(nodes) <= fitting.keys()
    load = {node: Counter(nodes)[node] / machine.tiers[place.tier] for node, machine in fitting.items()}
    for node, machine in fitting.items():  # one that has actors would not have been better off elsewhere
        least = min(load.values())
        assert not load[node] or load[node] - 1 / machine.tiers[place.tier] <= least + 1e-9


@given(st.integers(1, 6), st.data())
def test_of_equal_machines_the_one_of_the_device_is_taken(count: int, data: st.DataObject) -> None:
    there = [Machine(f"{i:056x}", f"10.0.0.{i}", {Tier.EDGE: 1.0}, {"site": "north"}) for i in range(count)]
    near = data.draw(st.sampled_from([machine.node for machine in there]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machines, "machines", lambda: there)
        options, node = Machines(ADDRESS, {}).options(Place(range(1, 2), "north/edge", Tier.EDGE, "north"), near)
    assert node == near
    assert options["label_selector"] == {"site": "north"}
    assert options["max_restarts"] == -1
    assert options["max_task_retries"] == 0


def test_a_ray_of_our_own_is_one_machine_for_all_sites() -> None:
    options, node = Machines(None, {Tier.DEVICE: TierSpec(machine="shed", gpus=1)}).options(
        Place(range(1), "north/device", Tier.DEVICE, "north")
    )
    assert node is None
    assert "label_selector" not in options
    assert "scheduling_strategy" not in options
    assert "num_gpus" not in options


LABELS = st.dictionaries(st.sampled_from(["gpu", "rack"]), st.sampled_from(["a", "b"]))
GPUS = st.sampled_from([0.0, 0.3, 0.5, 1.0, 2.0])
EQUIPPED = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(list(Tier)), st.integers(1, 3)),
        LABELS,
        st.sampled_from(["shed", "attic"]),
        st.integers(0, 2),
        st.sampled_from([0.0, 0.25, 1.0]),
    ),
    max_size=5,
).map(
    lambda drawn: [
        Machine(f"{i:056x}", f"10.0.0.{i}", tiers, labels, (name,), float(gpus), max(0.0, gpus - taken))
        for i, (tiers, labels, name, gpus, taken) in enumerate(drawn)
    ]
)
NARROWED = st.one_of(
    st.builds(TierSpec, machine=st.sampled_from([None, "shed", "10.0.0.1", "elsewhere"]), gpus=GPUS),
    st.builds(TierSpec, labels=LABELS, gpus=GPUS),
)


@given(EQUIPPED, st.lists(PLACES, min_size=1, max_size=6), st.dictionaries(st.sampled_from(list(Tier)), NARROWED))
def test_what_passes_the_check_stands_where_it_may_and_no_gpu_is_given_away_twice(
    there: list[Machine], places: list[Place], tiers: dict[Tier, TierSpec]
) -> None:
    by_node = {machine.node: machine for machine in there}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machines, "machines", lambda: there)
        patch.setattr(Machines, "_join_address", lambda _: ADDRESS)
        places = passing(Machines(ADDRESS, tiers), places)
        choosing = Machines(ADDRESS, tiers)
        chosen = [choosing.options(place) for place in places]
    taken: Counter[str] = Counter()
    for place, (options, node) in zip(places, chosen, strict=True):
        assert node is not None
        tier = tiers.get(place.tier, TierSpec())
        machine = by_node[node]
        assert place.tier in machine.tiers
        assert tier.machine is None or tier.machine in (machine.address, *machine.names)
        assert tier.labels.items() <= machine.labels.items()
        assert options.get("label_selector", {}) == tier.labels
        assert options.get("num_gpus", 0) == tier.gpus
        assert (f"node:{machine.address}" in options["resources"]) == (tier.machine is not None)
        taken[node] += tier.gpus  # type: ignore[assignment]
    assert all(taken[node] <= by_node[node].free_gpus + 1e-6 for node in taken)


def passing(choosing: Machines, places: list[Place]) -> list[Place]:
    """Of these places as many as have room beside those before them."""
    passed: list[Place] = []
    for place in places:
        with suppress(ConfigError):
            choosing.check([*passed, place])
            passed.append(place)
    return passed


@given(EQUIPPED, PLACES, NARROWED)
def test_what_is_lacking_is_told_and_what_to_type_mends_it(there: list[Machine], place: Place, tier: TierSpec) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machines, "machines", lambda: there)
        patch.setattr(Machines, "_join_address", lambda _: ADDRESS)
        choosing = Machines(ADDRESS, {place.tier: tier})
        try:
            choosing.check([place])
        except ConfigError as error:
            told = str(error)
        else:
            return
        if fitting(there, place, tier):
            assert "free" in told
            return
        assert "ray start" in told
        patch.setattr(machines, "machines", lambda: [*there, typed(told)])
        choosing.check([place])


def typed(told: str) -> Machine:
    """The machine that the command in a message starts."""
    words = shlex.split(told[told.index("ray start") :])
    given = dict(word.removeprefix("--").split("=", 1) for word in words[2:])
    assert given["address"] == ADDRESS
    labels = dict(label.split("=") for label in given.get("labels", "").split(",") if label)
    tiers = {Tier(name): float(amount) for name, amount in json.loads(given["resources"]).items()}
    gpus = float(given.get("num-gpus", 0))
    return Machine("f" * 56, "10.0.0.1", tiers, labels, (given.get("node-name", ""),), gpus, gpus)


@pytest.mark.parametrize(
    ("tier", "told"),
    [
        (
            TierSpec(machine="shet"),
            "no machine is called shet; did you mean 'shed'?: start it with ray start --address=10.0.0.1:6379 "
            """--resources='{"edge": 1}' --node-name=shet""",
        ),
        (
            TierSpec(machine="shed", gpus=1),
            "machine shed does not offer the tier edge with 1 GPU; there is 10.0.0.2 (edge): start it anew with "
            """ray start --address=10.0.0.1:6379 --resources='{"edge": 1}' --num-gpus=1 --node-name=shed""",
        ),
        (
            TierSpec(labels={"gpu": "t4"}, gpus=0.5),
            "no machine of the cluster offers the tier edge with the label gpu=t4 and 1 GPU; there is 10.0.0.2 (edge): "
            """start one with ray start --address=10.0.0.1:6379 --resources='{"edge": 1}' --num-gpus=1 """
            "--labels=gpu=t4",
        ),
    ],
)
def test_what_a_narrowed_tier_lacks(monkeypatch: pytest.MonkeyPatch, tier: TierSpec, told: str) -> None:
    monkeypatch.setattr(
        machines, "machines", lambda: [Machine("a", "10.0.0.2", {Tier.EDGE: 1.0}, names=("shed", "box"))]
    )
    monkeypatch.setattr(Machines, "_join_address", lambda _: ADDRESS)
    with pytest.raises(ConfigError) as raised:
        Machines(ADDRESS, {Tier.EDGE: tier}).check([Place(range(1, 2), "edge", Tier.EDGE)])
    assert str(raised.value) == told


def test_gpus_that_others_have_taken_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Machine("a", "10.0.0.2", {Tier.CLOUD: 1.0}, gpus=1.0, free_gpus=0.25)
    monkeypatch.setattr(machines, "machines", lambda: [full])
    monkeypatch.setattr(Machines, "_join_address", lambda _: ADDRESS)
    choosing = Machines(ADDRESS, {Tier.CLOUD: TierSpec(gpus=0.5)})
    place = Place(range(1, 2), "cloud", Tier.CLOUD)
    with pytest.raises(
        ConfigError, match=r"takes 0\.5 of a machine's GPUs, and 10\.0\.0\.2 \(cloud\) has 0\.25 of 1 free"
    ):
        choosing.check([place])
    assert not choosing.has_room(place)
