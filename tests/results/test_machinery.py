"""What a run stands on: the load of this machine."""

from __future__ import annotations

import os

from vidpipe.results.machinery import Load, LoadMeter, MachineNow, ProcessState, driver, this_machine
from vidpipe.testing.clock import HandClock


def test_the_machine_is_looked_at_once_a_second_whoever_asks() -> None:
    clock = HandClock()
    meter = LoadMeter(clock)
    first = meter.look()
    assert first.pid == os.getpid()
    assert first.cpu is None
    assert 0 < first.process_memory_bytes < first.memory_used_bytes < first.memory_bytes
    assert meter.look() is first
    clock.turn(1)
    sum(range(10**6))  # so that a tick of the machine's counters has gone by
    second = meter.look()
    assert second is not first
    assert second.cpu is None or 0 <= second.cpu <= 1


def test_what_is_told_is_plain_data() -> None:
    load = Load("box", 7, 2, 0.12345, 100, 50, 10)
    told = this_machine(load, ["device"]).report()
    assert told["cpu"] == 0.123
    assert (told["name"], told["tiers"], told["away_since"]) == ("box", ["device"], None)
    told = driver(load, 1.239, tier="device", streams=["gate"]).report()
    assert (told["kind"], told["state"], told["streams"], told["cpu_s"]) == ("driver", "running", ["gate"], 1.24)
    assert MachineNow("a", "10.0.0.5", ("edge",), away_since=12.00049).report()["away_since"] == 12.0
    assert [str(state) for state in ProcessState] == ["starting", "running", "silent", "away"]
