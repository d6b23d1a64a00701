"""What a consumer of results can rely on: order, nothing lost in silence, an end, and no waiting for nobody."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.runtime.driver.feed import Feed, FeedEnded


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60), st.integers(1, 5))
def test_what_is_given_and_what_is_lost_is_all_that_was_put_in_order(steps, limit):
    feed: Feed[tuple[bool, int]] = Feed(limit)
    put, lost, got = [], [], []
    for number, (lossy, take) in enumerate(steps):
        item = (lossy, number)
        put.append(item)
        if (gone := feed.put(item, lossy=lossy)) is not None:
            lost.append(gone)
        if take and feed:
            got.append(feed.get())
    feed.end()
    got += list(feed)
    assert sorted(got + lost) == sorted(put)
    assert len(lost) == feed.lost
    assert all(lossy for lossy, _ in lost)
    for kind in (True, False):  # each stream's items stay in order
        numbers = [number for lossy, number in got if lossy is kind]
        assert numbers == sorted(numbers)


def test_a_producer_sees_when_it_has_to_wait():
    feed: Feed[int] = Feed(2)
    feed.put(0)
    assert not feed.is_full
    feed.put(1)
    assert feed.is_full
    feed.get()
    assert not feed.is_full


def test_live_items_never_make_a_producer_wait():
    feed: Feed[int] = Feed(2)
    lost = [feed.put(n, lossy=True) for n in range(5)]
    assert lost == [None, None, 0, 1, 2]
    assert not feed.is_full


def test_an_error_comes_after_what_waits():
    feed: Feed[int] = Feed(2)
    feed.put(1)
    feed.end(ValueError("broken"))
    assert feed.get() == 1
    with pytest.raises(ValueError, match="broken"):
        feed.get()


def test_who_has_left_holds_up_nobody():
    feed: Feed[int] = Feed(1)
    feed.put(1)
    feed.abandon()
    assert not feed.is_full
    feed.put(2)
    with pytest.raises(FeedEnded):
        feed.get()


def test_nothing_in_time_is_told():
    with pytest.raises(TimeoutError, match=r"0\.01 s"):
        Feed[int](1).get(0.01)


def test_a_thread_that_waits_is_woken_by_an_item_and_by_the_end():
    feed: Feed[int] = Feed(4)
    got: list[int] = []
    waiting = threading.Thread(target=lambda: got.extend(feed))
    waiting.start()
    feed.put(1)
    feed.put(2)
    feed.end()
    waiting.join(5)
    assert got == [1, 2]


def test_asyncio_gets_items_from_a_thread_and_loses_none_when_cancelled():
    feed: Feed[int] = Feed(64)

    async def consume():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(feed.aget(), 0.01)
        thread = threading.Thread(target=lambda: ([feed.put(n) for n in range(50)], feed.end()))
        thread.start()
        got = [item async for item in feed]
        thread.join()
        return got

    assert asyncio.run(consume()) == list(range(50))
