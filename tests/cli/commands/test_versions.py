"""`vidpipe versions`: what there is, why, and the way back, of profiles and of gates that go on learning."""

from __future__ import annotations

import pytest

from vidpipe.cli.commands.versions import BY_HAND
from vidpipe.stages.difference.threshold_override import write_override
from vidpipe.stages.gate.versions import EMPTY_RECOGNISED, Versions, with_thresholds
from vidpipe.tuning.profile import add, read

EVIDENCE = {"max_miss": 0.01, "missed": 0.0, "missed_at_most": 0.008, EMPTY_RECOGNISED: 0.93}


def begin(folder, trained):
    gates = Versions(folder)
    gates.add(with_thresholds(trained.gate, 0.2, None, **EVIDENCE), "specialized")
    gates.add(with_thresholds(trained.gate, 0.3, None, **EVIDENCE), "the scene has changed: brightness", pts=312.5)


@pytest.fixture
def learnt(shell, trained):
    """A user whose stream has two versions, the second with a gate that has learnt once since."""
    profiles = shell.folder / "profiles"
    made = {"reason": "specialized", "size": (96, 72), "classes": ["person"], "model": "", "says": "every other frame"}
    chosen = {"missed": 0.0, "missed_at_most": 0.01}
    evidence = {
        "visits": 12,
        "visits_missed_at_most": 0.18,
        "seconds": 1200.0,
        "chosen": chosen,
        "budget": {"miss": 0.01, "false": 0.01},
    }
    settings = {"sample": {"fps": 5.0}}
    add(profiles, "yard", {**made, "settings": settings, "evidence": evidence}, {})
    gate = {"weights": "gates", "learn": True}
    _, folder = add(profiles, "yard", {**made, "settings": settings | {"gate": gate}, "evidence": evidence}, {})
    begin(folder / "gates", trained)
    write_override(folder / "scene.npz", 2.5, "audits say that 3.0% are missed")
    return shell


def test_versions_with_their_reasons(learnt):
    said = learnt.vidpipe("versions", "yard")
    assert said.status == 0, said.err
    lines = said.out.splitlines()
    assert lines[0] == "stream yard: version 2 counts"
    assert lines[1].startswith("  1  ")
    assert lines[3].startswith("* 2  ")
    assert "from 12 visits (alone they say: at most 18% of visits missed) in 1200 s; misses 0.00%, at" in lines[4]
    assert lines[4].endswith("at most 1.00% (1.00% allowed)")
    assert lines[5].endswith("audits say that 3.0% are missed")
    assert lines[6].startswith("       gate 2.1  ")
    assert lines[7].startswith("     * gate 2.2  ")
    assert "the scene has changed: brightness; in validation it missed 0.00%, at most 0.80%" in lines[7]


def test_the_way_back_of_a_profile_and_of_its_gate(learnt):
    profiles = learnt.folder / "profiles"
    said = learnt.vidpipe("versions", "yard", "--use", "1")
    assert said.out == "stream yard: version 1 of its profile counts now\n"
    assert read(profiles, "yard").current == 1
    said = learnt.vidpipe("versions", "yard", "--use", "2.1")
    assert said.out == "the gate of version 2 of stream yard: version 1 is in force now\n"
    assert read(profiles, "yard").current == 2
    gates = Versions(profiles / "yard/v2/gates")
    assert (gates.active, gates.history[-1].reason, gates.gate().low) == (1, BY_HAND, 0.2)


@pytest.mark.parametrize("named", ["gates", "gates.gate"])
def test_a_folder_of_gates_of_a_pipeline(shell, trained, named):
    """As `weights` of the stage names it."""
    begin(shell.folder / "gates", trained)
    assert shell.vidpipe("versions", named).out.splitlines()[1].startswith("* gate 2  ")
    said = shell.vidpipe("versions", named, "--use", "1")
    assert said.out == "gates gates: version 1 is in force now\n"
    assert Versions(shell.folder / "gates").active == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["yard", "--use", "7"], "the profile of stream yard has no version 7; there is 1, 2, and 0 for none"),
        (["yard", "--use", "2.9"], "the gate of version 2 of stream yard has no version 9; there is 1, 2"),
        (["yard", "--use", "1.1"], "the profile of stream yard has no gate that goes on learning in version 1"),
        (["yard", "--use", "old"], "--use old: must be the number of a version, or two with a dot, as 2.3, for a gate"),
        (["door"], "door: no stream with a profile in "),
    ],
)
def test_what_is_refused(learnt, arguments, message):
    said = learnt.vidpipe("versions", *arguments)
    assert said.status == 2
    assert said.error.startswith(message)
