"""Messages of a channel. What must hold:

- each comes exactly once and in order, whatever is lost with connections, in both directions;
- what is acknowledged is not kept;
- numbers that cannot be are no crash.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.runtime.remote.channel import Channel
from vidpipe.runtime.remote.values import MalformedError

STEPS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["put", "send", "cut"])), max_size=200)


class Side:
    def __init__(self) -> None:
        self.channel = Channel("s")
        self.put = 0
        self.sent = 0
        self.got: list[bytes] = []

    def deliver(self, other: Side) -> bool:
        body = self.channel.after(self.sent)
        if body is None:
            return False
        other.channel.acknowledge(self.channel.received)
        if other.channel.accept(self.sent):
            other.got.append(body)
        self.sent += 1
        return True


@given(STEPS)
def test_each_message_comes_once_and_in_order(steps):
    sides = {"a": Side(), "b": Side()}

    def connect() -> None:
        """Each begins behind what the other one has; what was under way is lost."""
        sides["a"].sent, sides["b"].sent = sides["b"].channel.received, sides["a"].channel.received
        sides["a"].channel.acknowledge(sides["b"].channel.received)
        sides["b"].channel.acknowledge(sides["a"].channel.received)

    for name, step in steps:
        side, other = sides[name], sides["b" if name == "a" else "a"]
        if step == "put":
            side.channel.put(b"%d" % side.put)
            side.put += 1
        elif step == "send":
            side.deliver(other)
        else:
            side.sent += 1  # it left, and never came
            connect()
    connect()
    for side, other in ((sides["a"], sides["b"]), (sides["b"], sides["a"])):
        while side.deliver(other):
            pass
    connect()
    for side, other in ((sides["a"], sides["b"]), (sides["b"], sides["a"])):
        assert other.got == [b"%d" % number for number in range(side.put)]
        assert side.channel.acknowledged == side.put
        assert side.channel.after(side.put - 1) is None  # nothing is kept


def test_numbers_that_cannot_be_are_refused():
    channel = Channel("s")
    channel.put(b"one")
    with pytest.raises(MalformedError, match="never sent"):
        channel.acknowledge(2)
    with pytest.raises(MalformedError, match="missing"):
        channel.accept(1)
    assert channel.accept(0)
    assert not channel.accept(0)
