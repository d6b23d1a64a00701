"""What is chosen holds the floor by what is known, and costs no more than what needs no proof."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.tuning.floor.conftest import ALONE, PAIR, Silent, stretch_of
from vidpipe.accuracy.held import held_for
from vidpipe.sources.base import DECODE_ALL, Decoding
from vidpipe.tuning.floor.configuration import SAFE, roles_of
from vidpipe.tuning.floor.decoding import LESS, decode_shares
from vidpipe.tuning.floor.evidence import evidence
from vidpipe.tuning.floor.search import search


@pytest.fixture
def searched(made):
    def find(floor, text=ALONE, want="boxes", **stream):
        roles = roles_of(made(text, "slow.mp4", **stream))
        stretch = stretch_of(roles)
        return search(roles, "cam", [stretch], floor, want, Silent()), stretch

    return find


@pytest.mark.parametrize(("floor", "want", "text"), [(0.6, "boxes", PAIR), (0.97, "presence", ALONE)])
def test_what_is_chosen_costs_hardly_more_than_safe_and_holds_the_floor(searched, floor, want, text):
    found, stretch = searched(floor, text, want)
    assert found.safe.configuration == SAFE
    assert found.chosen.cpu_ms <= 1.05 * found.safe.cpu_ms
    assert found.static.cpu_ms <= found.safe.cpu_ms
    assert found.chosen.estimate.value >= floor
    assert [each.cpu_ms for each in found.tried] == sorted(each.cpu_ms for each in found.tried)
    # The static one holds by the same bound as all others, and is the cheapest that does.
    assert found.static.holds(floor)
    static = [each for each in found.tried if each.configuration.motion == "held" and not each.guarded]
    assert found.static.cpu_ms == min(each.cpu_ms for each in static if each.holds(floor))
    # Its evidence is that of its looks, held.
    configuration = found.static.configuration
    if configuration.looker is None and configuration.between_s:
        held, looked = held_for(stretch.truth, configuration.between_s)
        assert found.static.estimate == evidence([held], [stretch.truth], want)
        assert found.static.looks == pytest.approx(looked.mean())


def test_too_little_footage_proves_nothing_but_a_look_at_every_frame(searched):
    """Unless the tracker goes on from its own evidence: it may begin where it came to on that footage."""
    found, _ = searched(0.9, end_s=6.0)
    assert found.static.configuration == SAFE
    settled = {round(each.settled_s, 3) for each in found.tried if each.guarded}
    for each in found.tried:
        if each.guarded:
            assert each.configuration.between_s == 0 or round(each.configuration.between_s, 3) in settled


def test_vectors_of_the_codec_are_tried_where_the_tracker_is_on_the_device(searched):
    said = "boxes moved by the codec's vectors between"
    found, _ = searched(0.6)
    assert any(each.configuration.motion == "codec" and said in str(each.configuration) for each in found.tried)
    found, _ = searched(0.6, ALONE.replace("[{id: big, ", "[{id: track, type: track, on: edge}, {id: big, on: edge, "))
    assert not any(each.configuration.motion == "codec" for each in found.tried)


def test_decoding_less_is_tried_where_it_saves_enough_and_counts_by_its_bound(searched, monkeypatch):
    """Priced as measured; what saves nothing is not tried, and the tracker cannot vouch for what was never seen."""
    monkeypatch.setattr("vidpipe.tuning.floor.search._MATTERS", 1e-6)
    monkeypatch.setattr("vidpipe.tuning.floor.search.decode_shares", lambda stream, specs, decodings: [0.5, 0.1, 1.0])
    found, _ = searched(0.6)
    less = {each.configuration.decoding: each for each in found.tried if not each.configuration.decodes_all}
    assert set(less) == {Decoding("nonref"), Decoding("nokey")}
    for decoding, each in less.items():
        assert str(each.configuration).endswith(str(decoding))
        assert each.holds(0.6) == (each.estimate.low >= 0.6)
    whole = next(
        each
        for each in found.tried
        if each.configuration == replace(less[LESS[0]].configuration, decoding=DECODE_ALL) and each.guarded
    )
    assert less[LESS[0]].estimate.value == pytest.approx(whole.estimate.value), "the clip has no B-frames"


def test_decoding_less_is_left_alone_where_decoding_costs_little(searched, monkeypatch):
    monkeypatch.setattr("vidpipe.tuning.floor.search._MATTERS", 1.0)
    monkeypatch.setattr("vidpipe.tuning.floor.search.decode_shares", lambda *_: pytest.fail("nothing is measured"))
    found, _ = searched(0.6)
    assert all(each.configuration.decodes_all for each in found.tried)


@pytest.mark.timed
def test_the_price_of_decoding_less_is_measured(made):
    spec = made(ALONE, "b_frames.mp4").streams["cam"].spec
    nonref, nokey, _, everything = decode_shares("cam", [spec], [*LESS, DECODE_ALL])
    assert nokey < nonref < 1.0
    assert nokey < 0.6
    assert everything == pytest.approx(1.0, abs=0.3)


def test_a_bound_of_several_stretches_is_no_wider_than_of_one(made):
    """Frames of two stretches never share a block, whatever their times are."""
    truth = stretch_of(roles_of(made(ALONE, "slow.mp4"))).truth
    held, _ = held_for(truth, 0.6)
    one, two = evidence([held], [truth]), evidence([held, held], [truth, truth])
    assert two.value == pytest.approx(one.value)
    assert two.blocks == 2 * one.blocks
    assert two.low > one.low
    some = np.arange(truth.frames) < 30
    part = evidence([held], [truth], where=[some])
    first = replace(truth, known=truth.known)
    assert part.blocks == evidence([held.part(0, 30)], [first.part(0, 30)]).blocks
