"""Where models stand and what each camera gets. What must hold:

- a placement is chosen in which all cameras together are worth the most, within all limits;
- more of a resource never makes it worth less;
- the configuration that comes of it loads, has these settings, and names no address.
"""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.tuning.budget.profiles import FPS, FRONTIER, SAFE_ONE, known, tried, yard
from vidpipe.cli.commands.auto import configuration, plan_cameras
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import LinkSpec, SplitSpec, Tier
from vidpipe.pipeline.yaml.load import load
from vidpipe.pipeline.yaml.rewrite import rewritten
from vidpipe.runtime.transport.quality import f1_through
from vidpipe.tuning.budget.limits import BudgetConfig
from vidpipe.tuning.budget.offers import offers
from vidpipe.tuning.budget.plan import fits
from vidpipe.tuning.floor.apply import apply_tuned
from vidpipe.tuning.floor.configuration import roles_of
from vidpipe.tuning.planner.costs import Costs, PictureCost, StageCost, StreamCost
from vidpipe.tuning.planner.nodes import Nodes
from vidpipe.tuning.planner.options import auto, placements, said

PICTURE = PictureCost(bytes=125_000, pack_ms=0, unpack_ms=0)


SMALLER = {
    LinkSpec(codec="jpeg", quality=quality).setting: PictureCost(bytes=125_000 * share, pack_ms=0, unpack_ms=0)
    for quality, share in ((95, 0.4), (85, 0.2), (75, 0.15), (50, 0.1))
}


def costs(*streams, coded=False):
    stages = {
        "move": StageCost(asked=1, cpu_ms=1, wall_ms=1),
        "quick": StageCost(asked=0, cpu_ms=10, wall_ms=10),
        "sure": StageCost(asked=0.2, cpu_ms=35, wall_ms=35),
    }
    one = StreamCost(
        fps=FPS,
        width=320,
        height=240,
        frames=100,
        other_ms=1,
        stages=stages,
        pictures={LinkSpec().setting: PICTURE} | (SMALLER if coded else {}),
    )
    return Costs(pipeline="yard", processor="", cores=2, engine="inline", streams=dict.fromkeys(streams, one))


def nodes(device, cloud, mbps):
    return Nodes.model_validate(
        {
            "nodes": {"box": {"tier": "device", "cpus": device}, "rack": {"tier": "cloud", "cpus": cloud}},
            "links": {"device-cloud": {"mbps": mbps}},
        }
    )


@pytest.fixture
def chosen(tmp_path):
    """What two cameras get of machines."""
    frontier = (*FRONTIER[:3], tried(0.0, 12.0, 0.85, little=True), SAFE_ONE)
    pipeline = yard(tmp_path, "a", "b")
    known(pipeline, tmp_path, a=frontier, b=frontier)
    roles = roles_of(pipeline)
    found = offers(roles, tmp_path, BudgetConfig(cpu=1e9))
    return roles, lambda *there: auto(roles, found, costs("a", "b"), nodes(*there))


def test_models_stand_where_there_is_room_for_them(chosen):
    _, choose = chosen
    assert choose(8, 8, 0.001).placement["sure"] is Tier.DEVICE
    away = choose(0.2, 8, 1000)
    assert away.placement["sure"] is Tier.CLOUD
    assert away.assigned.fits
    assert fits(away.assigned.plan, away.limits)


def test_more_of_a_resource_is_never_worth_less(chosen):
    _, choose = chosen
    few = (0.3, 0.5, 10)
    worth = choose(*few).assigned.worth
    for at in range(3):
        more = [amount * (4 if place == at else 1) for place, amount in enumerate(few)]
        assert choose(*more).assigned.worth >= worth - 1e-6


def coded(roles, tmp_path, mbps, device=0.2):
    found = offers(roles, tmp_path, BudgetConfig(cpu=1e9))
    return auto(roles, found, costs("a", "b", coded=True), nodes(device, 8, mbps))


def test_where_a_line_is_short_pictures_are_packed_smaller_at_the_price_that_was_measured(chosen, tmp_path):
    roles, _ = chosen
    wide, short = coded(roles, tmp_path, 1000), coded(roles, tmp_path, 10)
    (link,) = plan(wide.pipeline).links
    assert link.spec.setting == "raw"
    assert all(each.accuracy >= 0.95 for each in wide.assigned.plan.values())
    (link,) = plan(short.pipeline).links
    assert link.spec.codec == "jpeg"
    assert short.assigned.fits
    before = {each.what: each.accuracy for each in offers(roles, tmp_path, BudgetConfig(cpu=1e9)).anything["a"].options}
    for option in short.assigned.plan.values():
        assert option.accuracy == pytest.approx(before[option.what] * f1_through(link.spec))
    assert short.tried[f"{said(short.placement, roles)}, {link.spec.setting} on links"] == short.assigned.worth
    text = rewritten("", configuration(short, roles))
    (tmp_path / "made.yaml").write_text(text)
    loaded = load(tmp_path / "yard.yaml", config=tmp_path / "made.yaml", sources={"a": "a.mp4", "b": "b.mp4"})
    assert plan(loaded).links[0].spec.setting == link.spec.setting


def test_pictures_cross_to_the_last_stage_wherever_the_little_one_stands(chosen, tmp_path):
    """A little model that is off passes on what the last stage looks at: that crosses the link above it."""
    roles, _ = chosen
    for mbps in (2, 10, 1000):
        tried = coded(roles, tmp_path, mbps).tried
        above, beside = tried["quick on device, sure on cloud"], tried["quick on cloud, sure on cloud"]
        assert (above or 0.0) >= (beside or 0.0)  # the last stage looks in both, and the line is the only limit


def test_less_of_a_line_never_makes_it_worth_more(chosen, tmp_path):
    roles, _ = chosen
    worth = [coded(roles, tmp_path, mbps, device=0.25).assigned for mbps in (1, 5, 20, 80, 1000)]
    kept = [each.worth for each in worth if each.fits]
    assert kept == sorted(kept)
    assert len(kept) >= 3


def test_a_floor_is_not_held_through_pictures_that_lose_too_much(tmp_path):
    pipeline = yard(tmp_path, "a", a={"floor": 0.9})
    known(pipeline, tmp_path, a=FRONTIER)
    roles = roles_of(pipeline)
    found = offers(roles, tmp_path, BudgetConfig(cpu=1e9))
    made = auto(roles, found, costs("a", coded=True), nodes(0.2, 8, 25))
    (link,) = plan(made.pipeline).links
    assert made.assigned.plan["a"].accuracy >= 0.9
    assert link.spec.quality >= 85
    refused = auto(roles, found, costs("a", coded=True), nodes(0.2, 8, 1))
    assert not refused.assigned.fits


def test_each_placement_keeps_the_order_of_tiers(chosen):
    roles, _ = chosen
    every = list(placements(roles, nodes(1, 1, 1)))
    assert [(each["quick"].value, each["sure"].value) for each in every] == [
        ("device", "device"),
        ("device", "cloud"),
        ("cloud", "cloud"),
    ]


def test_the_configuration_loads_and_has_what_was_chosen(chosen, tmp_path, monkeypatch):
    roles, choose = chosen
    made = choose(0.3, 4, 1000)
    monkeypatch.setenv("YARD_URL", "rtsp://user:secret@192.0.2.1/")
    written = 'streams:\n  a: {url: "${env:YARD_URL}", weight: 2}\n  b: {url: "${env:YARD_URL}"}\n'
    text = rewritten(written, configuration(made, roles))
    assert "secret" not in text
    (tmp_path / "made.yaml").write_text(text)
    loaded = load(tmp_path / "yard.yaml", config=tmp_path / "made.yaml")
    assert {stage.id: stage.tier for stage in loaded.stages} == made.placement
    assert loaded.streams["a"].spec.weight == 2
    assert not loaded.streams["a"].spec.tuned
    for name, option in made.assigned.plan.items():
        for stage, fields in roles.settings(option.what.configuration, option.what.floor).items():
            config = loaded.streams[name].configs[stage]
            assert {field: getattr(config, field) for field in fields} == pytest.approx(fields)


def test_what_was_tuned_does_not_go_before_what_a_plan_chose(chosen, tmp_path):
    roles, choose = chosen
    made = configuration(choose(0.3, 4, 1000), roles)
    (tmp_path / "made.yaml").write_text(rewritten("", made))
    sources = {name: f"live+file:{name}.mp4" for name in "ab"}
    loaded = load(tmp_path / "yard.yaml", config=tmp_path / "made.yaml", sources=sources)
    assert apply_tuned(loaded, tmp_path) == (loaded, [])


def test_the_command_says_what_each_camera_gets_and_why_and_writes_it(chosen, tmp_path):
    roles, _ = chosen
    said, out = io.StringIO(), tmp_path / "made.yaml"
    console = Console(file=said, width=300)
    there = (costs("a", "b"), nodes(0.3, 0.5, 1000))
    told = plan_cameras(roles.pipeline, None, tmp_path, *there, out, console)
    assert set(told["streams"]) == {"a", "b"}
    assert "chosen: quick on " in said.getvalue()
    assert "stream a: F1 0." in said.getvalue()
    assert "one more would add" in said.getvalue()
    assert load(tmp_path / "yard.yaml", config=out, sources={"a": "a.mp4", "b": "b.mp4"}).streams
    with pytest.raises(ConfigError, match=r"no plan fits: CPU of box must be 0\.\d+ at least where 0.009"):
        plan_cameras(roles.pipeline, None, tmp_path, costs("a", "b"), nodes(0.01, 0.01, 1), None, console)


FEATURES = LinkSpec(codec="jpeg", split=SplitSpec(bits=5))


def split(tmp_path, mbps, f1, *, nbytes=4_000, head_ms=12.0, device=0.6):
    """Two cameras whose big model may be cut: its features are a third of the least JPEG, and it sees so much then."""
    pipeline = yard(tmp_path, "a", "b")
    known(pipeline, tmp_path, a=FRONTIER, b=FRONTIER)
    roles = roles_of(pipeline)
    price = PictureCost(bytes=nbytes, pack_ms=head_ms, unpack_ms=0, f1=f1, look=0.5)
    there = costs("a", "b", coded=True)
    seen = {"seen": {"big": {FEATURES.setting: price}}}
    streams = {name: each.model_copy(update=seen) for name, each in there.streams.items()}
    found = offers(roles, tmp_path, BudgetConfig(cpu=1e9))
    made = auto(roles, found, there.model_copy(update={"streams": streams}), nodes(device, 8, mbps))
    return roles, made


def test_features_cross_where_they_are_worth_more_than_pictures(tmp_path):
    roles, made = split(tmp_path, 2, 0.99)
    (link,) = plan(made.pipeline).links
    assert link.spec.setting == FEATURES.setting
    assert fits(made.assigned.plan, made.limits)
    (tmp_path / "made.yaml").write_text(rewritten("", configuration(made, roles)))
    loaded = load(tmp_path / "yard.yaml", config=tmp_path / "made.yaml", sources={"a": "a.mp4", "b": "b.mp4"})
    assert plan(loaded).links[0].spec.split == FEATURES.split


@pytest.mark.parametrize(
    ("mbps", "f1", "costs"),
    [
        (2, 0.5, {}),  # they lose too much
        (2, None, {}),  # nobody knows what
        (2, 0.99, {"nbytes": 90_000}),  # they are larger than pictures
        (2, 0.99, {"head_ms": 500.0}),  # the head takes more than the device has
        (1000, 0.9, {}),  # there is room for pictures
    ],
)
def test_pictures_cross_where_features_lose(tmp_path, mbps, f1, costs):
    """And what they would be worth is told, where it is known."""
    _, made = split(tmp_path, mbps, f1, **costs)
    assert all(link.spec.split is None for link in plan(made.pipeline).links)
    assert any("features" in words for words in made.tried) == (f1 is not None)
