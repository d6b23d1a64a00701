"""Rules that are switched off while a stream goes on. What must hold:

- a rule that is off from the first result on is as good as not there, and no other rule notices;
- what lasts ends when it is switched off, with the reason, and begins anew when it is on again.
"""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.transforms.rules.script import CROSS, ENTER, alone, rules, script, way
from vidpipe.core.settings import with_values
from vidpipe.transforms.rules.engine import Engine

ANY = {"id": "any", "kind": "presence", "zone": "yard", "confirm_s": 0.2, "grace_s": 0.5}
FULL = {"id": "full", "kind": "occupancy", "zone": "yard", "at_least": 1, "for_s": 0.2, "grace_s": 0.5}
OUT, IN = (0.3, 0.6), (0.7, 0.6)
WALK = script([*alone(1, way(OUT, IN)), *alone(1, [IN] * 20), *alone(1, way(IN, OUT)), *[{}] * 20])


def told(config, off_at):
    """What is told of the walk, where `off_at` says which rules are off from which result on."""
    engine = Engine(config)
    found = []
    for result in WALK:
        if result.seq in off_at:
            config = with_values(config, {"off": off_at[result.seq]})
        happened = engine.go_by(config, result) + engine.see(result)
        found += [(result.seq, *happening) for happening in happened]
    return found


@pytest.mark.parametrize("off", ["yard", "door", "any", "full"])
def test_a_rule_that_is_off_is_as_good_as_not_there(off):
    written = [ENTER, CROSS, ANY, FULL]
    all_told = told(rules(*written), {})
    assert any(each[3] == off for each in all_told)
    without = told(rules(*(rule for rule in written if rule["id"] != off)), {})
    assert told(rules(*written), {0: (off,)}) == without == [each for each in all_told if each[3] != off]


@pytest.mark.parametrize("rule", [ANY, FULL, ENTER])
def test_what_lasts_ends_and_begins_anew(rule):
    """It is off for two seconds in the midst of a stay of four."""
    stay = [each[0] for each in told(rules(rule), {})]
    off, on = stay[0] + 4, stay[0] + 20
    phases = [(each[2].value, off <= each[0] < on) for each in told(rules(rule), {off: (rule["id"],), on: ()})]
    assert phases == [("begin", False), ("end", True), ("begin", False), ("end", False)]


def test_only_rules_that_are_there_are_switched_off():
    config = rules(ENTER, CROSS)
    assert with_values(config, {"off": ["door"]}).off == ("door",)
    with pytest.raises(ValidationError, match=r"there is no rule 'dor' on that stream; did you mean 'door'\?"):
        with_values(config, {"off": ["dor"]})
