"""The outbox between streams and collector."""

import threading

from tests.builders import answer
from vidpipe.results.collector import Collector
from vidpipe.results.outbox import Outbox
from vidpipe.results.records import Batch, Ended, Result, Snapshot


def record(seq):
    return Result("cam", seq, seq / 10, None, 0.0, 0, answer("x"))


def test_batches_come_in_order_and_once():
    outbox = Outbox()
    for seq in range(5):
        outbox.publish(record(seq))
    assert [r.seq for r in outbox.take(1).published] == list(range(5))
    assert not outbox.take(0)


def test_a_full_outbox_holds_its_stream_up():
    """A collector that takes nothing must not fill the memory: the stream waits, and loses nothing."""
    outbox = Outbox()
    total = 3 * Outbox.LIMIT

    def publish():
        for seq in range(total):
            outbox.publish(record(seq))
        outbox.ended(Ended("cam"))

    stream = threading.Thread(target=publish)
    stream.start()
    seen, ended = [], []
    while not ended:
        batch = outbox.take(5)
        assert len(batch.published) <= Outbox.LIMIT
        seen += [r.seq for r in batch.published]
        ended += batch.ended
    stream.join()
    assert seen == list(range(total))


def test_closing_lets_everybody_go():
    outbox = Outbox()
    stream = threading.Thread(target=lambda: [outbox.publish(record(seq)) for seq in range(2 * Outbox.LIMIT)])
    stream.start()
    outbox.close()
    stream.join(timeout=10)
    assert not stream.is_alive()


def test_received_means_that_the_next_batch_was_asked_for():
    """A batch may die on its way: only who comes back for more has got it."""
    outbox = Outbox()
    outbox.publish(record(0))
    received = threading.Event()

    def wait():
        outbox.wait_until_received()
        received.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert outbox.take(5).published
    assert not received.wait(0.1)
    outbox.take(0)
    assert received.wait(5)
    waiting.join()


def test_a_position_brings_what_was_published_since_the_snapshot_where_that_is_asked_for():
    collector = Collector(["cam"], catch_up=True)
    collector.take(Batch(published=[record(seq) for seq in range(5)]))
    assert [each.seq for each in collector.position("cam").since] == [0, 1, 2, 3, 4]
    collector.take(
        Batch(published=[record(seq) for seq in range(5, 9)], snapshots=[Snapshot("cam", {"rules": b""}, 6)])
    )
    assert [each.seq for each in collector.position("cam").since] == [7, 8]
    collector.begin("cam", live=False)  # nothing of the old picture holds
    assert collector.position("cam").since == ()
    plain = Collector(["cam"])
    plain.take(Batch(published=[record(0)]))
    assert plain.position("cam").since == ()
