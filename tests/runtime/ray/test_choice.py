"""Which machine an actor stands on. What must hold, whatever machines there are:

- it offers the tier, and is of the place's site; a place of no site keeps away from machines of sites if it can;
- no machine has more actors than it offers of the tier, against the others, by more than one.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.pipeline.plan import Place
from vidpipe.pipeline.spec import Tier
from vidpipe.runtime.ray import machines
from vidpipe.runtime.ray.machines import Machine, Machines

MACHINES = st.lists(
    st.tuples(st.sampled_from(["", "north", "south"]), st.dictionaries(st.sampled_from(list(Tier)), st.integers(1, 3))),
    max_size=6,
).map(lambda drawn: [Machine(f"{i:056x}", f"10.0.0.{i}", site, tiers) for i, (site, tiers) in enumerate(drawn)])
PLACES = st.builds(
    lambda tier, site: Place(range(1), f"{site}/{tier}" if site else str(tier), tier, site),
    st.sampled_from(list(Tier)),
    st.sampled_from(["", "north", "south"]),
)


@given(MACHINES, PLACES, st.integers(1, 12))
def test_actors_are_shared_out_over_the_machines_that_fit(there: list[Machine], place: Place, actors: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machines, "machines", lambda: there)
        choosing = Machines("10.0.0.1:6379")
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
    there = [Machine(f"{i:056x}", f"10.0.0.{i}", "north", {Tier.EDGE: 1.0}) for i in range(count)]
    near = data.draw(st.sampled_from([machine.node for machine in there]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machines, "machines", lambda: there)
        options, node = Machines("10.0.0.1:6379").options(Place(range(1, 2), "north/edge", Tier.EDGE, "north"), near)
    assert node == near
    assert options["label_selector"] == {"site": "north"}
    assert options["max_restarts"] == -1
    assert options["max_task_retries"] == 0


def test_a_ray_of_our_own_is_one_machine_for_all_sites() -> None:
    options, node = Machines(None).options(Place(range(1), "north/device", Tier.DEVICE, "north"))
    assert node is None
    assert "label_selector" not in options
    assert "scheduling_strategy" not in options
