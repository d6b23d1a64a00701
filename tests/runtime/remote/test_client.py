"""What a server keeps for one run, told by messages alone. What must hold:

- settings that cannot be taken cost the frames that come under them, and none that was asked before;
- what waited for an order in a channel that has ended waits no more, and its frames are asked anew in the next one;
- frames of a channel that has ended are not counted as held in the next one, also when their answers come late.
"""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from tests.builders import answer, frame
from tests.runtime import linked
from tests.runtime.linked import Passes, pipeline
from tests.waiting import until
from vidpipe.cascade.cascade import Ticket
from vidpipe.cascade.stage import Stage
from vidpipe.core.answer import How
from vidpipe.core.settings import Knob, StageConfig
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import LinkSpec, Tier
from vidpipe.runtime.links.job import CompleteOrder
from vidpipe.runtime.remote.messages import Writer, read_answer
from vidpipe.runtime.remote.values import pack
from vidpipe.runtime.server import client as module
from vidpipe.runtime.server.client import Client
from vidpipe.runtime.server.seal import Seal
from vidpipe.runtime.transport import codec
from vidpipe.runtime.worker import WorkerRuntime

WRITER = Writer(["s1"], lambda stage, why: None)


class Said(StageConfig):
    word: str = Knob("first")


class Says(Stage[Said]):
    """Answers every frame with the word that it goes by."""

    Config = Said
    shared = True

    def answer(self, frames):
        for each in frames:
            linked.on_frame.get((each.stream, each.seq), lambda: None)()
        return [replace(answer(self.id, as_of=each.seq), reason=self.config.word) for each in frames]


@pytest.fixture
def client():
    laid = plan(pipeline({"a": "x.mp4", "b": "y.mp4"}, [(Passes, Tier.DEVICE), (Says, Tier.CLOUD)]))
    made = Client(laid, 1, WorkerRuntime(laid).library, Seal(None))
    made.open()
    yield made
    linked.on_frame.clear()
    made.close()


class Talk:
    """A run's side of one channel: what it says, and what it is answered, by number."""

    def __init__(self, client, name):
        self.client, self.channel, self.said = client, client.channel(name, 0), 0

    def say(self, body):
        self.client._take(self.channel, self.said, body)  # noqa: SLF001
        self.said += 1
        return self.said - 1

    def frame(self, seq, stream="a", *, complete=True):
        item = codec.pack(Ticket(frame(seq, stream=stream)), LinkSpec(codec="jpeg"), complete=complete)
        return self.say(WRITER.write(item))

    def order(self, seq, stream="a"):
        return self.say(WRITER.write(CompleteOrder(stream, seq)))

    def settings(self, word, stream="a"):
        return self.say(pack(["settings", stream, 1, {"s1": {"word": word}}, None, None, False]))

    def answers(self):
        bodies = iter(lambda: self.channel.after(self.count), None)
        self.count, found = 0, {}
        for body in bodies:
            told = read_answer(bytes(body))
            found[told.to], self.count = told, self.count + 1
        return found

    def answer(self, number):
        until(lambda: number in self.answers(), 30)
        return self.answers()[number]


def test_settings_that_are_not_taken_cost_what_comes_under_them_alone(client):
    talk = Talk(client, "one")
    talk.settings("good")
    before = talk.frame(0, complete=False)
    wrong = talk.settings(["no", "word"])
    under, other, order = talk.frame(1), talk.frame(1, "b"), talk.order(0)
    assert "settings that the server does not take" in talk.answer(wrong).failed
    assert "settings that the server does not take" in talk.answer(under).failed
    assert talk.answer(order).value.answer.reason == "good"  # it was asked before
    assert talk.answer(other).value.answer.how is How.MEASURED
    assert before not in talk.answers()  # its order has brought the answer
    talk.settings("better")
    assert talk.answer(talk.frame(2)).value.answer.reason == "better"


def test_what_is_held_open_in_a_channel_ends_with_it(client):
    old = Talk(client, "one")
    for seq in range(3):
        old.frame(seq, complete=False)
    new = Talk(client, "two")
    assert "KeyError" in new.answer(new.order(0)).failed  # nobody has asked for it here
    new.frame(1, complete=False)
    assert new.answer(new.order(1)).value.answer.as_of == 1
    assert not client._receiver._uncompleted  # noqa: SLF001


def test_a_channel_is_not_billed_for_what_the_one_before_it_held(client, monkeypatch):
    old = Talk(client, "one")
    arrived, goes_on = threading.Event(), threading.Event()
    linked.on_frame["a", 0] = lambda: arrived.set() or goes_on.wait(30)
    late = old.frame(0)
    assert arrived.wait(30)
    held = dict(client._held)  # noqa: SLF001
    monkeypatch.setattr(module, "MOST_HELD_MB", 1.5 * sum(held.values()) / 1e6)
    assert "lower the link's `credit_mb`" in old.answer(old.frame(1)).failed
    linked.on_frame.clear()
    new = Talk(client, "two")
    again = new.frame(0)
    assert client._held == held  # noqa: SLF001
    refused = new.frame(2)
    assert "lower the link's `credit_mb`" in new.answer(refused).failed
    goes_on.set()
    assert new.answer(again).value.answer.how is How.MEASURED
    assert old.answer(late).value.answer.how is How.MEASURED
    until(lambda: not client._held, 30)  # noqa: SLF001
    assert new.answer(new.frame(3)).value.answer.how is How.MEASURED
