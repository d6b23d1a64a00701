"""What the result cache promises: it finds what is near, trusts only what has proven right, and stays within bounds."""

from __future__ import annotations

import threading
from collections import Counter

import numpy as np
import pytest

from vidpipe.core.errors import RunError
from vidpipe.stages.cache.file import CacheFileError, Make, load, save
from vidpipe.stages.cache.index import Index
from vidpipe.stages.cache.persistent_store import EVERY, PersistentStore
from vidpipe.stages.cache.result_cache import ResultCache
from vidpipe.stages.cache.reuse import Radius, homogeneous, lower_bound
from vidpipe.stages.cache.store import Entry, Store
from vidpipe.stages.cache.streams import MOST_RECORDINGS, Caches

LENGTH = 16
MAKE = Make("thumbnail", LENGTH, ("person",), np.ones(4, np.float32))


def vectors(count, length=LENGTH, seed=0):
    """Unit vectors in clusters, [count, length]."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(1, count // 20), length))
    drawn = centres[rng.integers(len(centres), size=count)] + 0.5 * rng.standard_normal((count, length))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def label(number):
    return {"label": np.array([number])}


def same(one, other):
    return bool(one["label"][0] == other["label"][0])


def cache(most=1000):
    return ResultCache(LENGTH, same, 0.9, most, 10**9)


@pytest.mark.parametrize("flat_numbers", [10**9, 100 * LENGTH])
def test_index_finds_what_is_left(flat_numbers):
    """Against a search of everything, also while the next index is built and after removals."""
    index, kept, found = Index(LENGTH, flat_numbers), {}, []
    for number, vector in enumerate(vectors(1500)):
        index.add(number, vector)
        kept[number] = vector
        if number % 3 == 2:
            index.remove([number - 2])
            del kept[number - 2]
        if number % 50 == 49:
            query = vectors(1, seed=number)[0]
            best = max(kept, key=lambda n: kept[n] @ query)
            ((nearest, distance),) = index.search(query, 1)
            assert nearest in kept
            assert distance == pytest.approx(1 - kept[nearest] @ query, abs=1e-5)
            found.append(nearest == best)
    assert len(index) == len(kept)
    assert index.is_graph == (flat_numbers < 10**9)
    assert np.mean(found) >= 0.95


def test_lower_bound_is_wilsons():
    """One-sided 95 %: 52 of 52 are needed to be sure of 0.95."""
    bound = lower_bound(np.arange(1, 53))
    assert bound[50] < 0.95 < bound[51]


def test_radius_opens_on_evidence_and_closes_on_disagreement():
    radius = Radius(0.95)
    for _ in range(51):
        radius.learn(0.1, True)
        assert radius.value < 0
    radius.learn(0.1, True)
    assert 0.1 in radius
    assert 0.11 not in radius
    for _ in range(10):
        radius.learn(0.1, False)
    assert 0.1 not in radius


@pytest.mark.parametrize("edge", [0.05, 0.2, 0.5])
def test_reuse_agrees_as_often_as_wanted(edge):
    """Answers agree up to a distance that nobody tells; what is let through agrees at least as often as wanted."""
    rng = np.random.default_rng(int(edge * 100))
    radius, reused = Radius(0.95), []
    for _ in range(2500):
        distance = rng.uniform(0, 1)
        agreed = bool(distance < edge or rng.random() < 0.3)
        hit = distance in radius
        if hit:
            reused.append(agreed)
        if not hit or rng.random() < 0.1:
            radius.learn(distance, agreed)
    assert np.mean(reused) >= 0.95
    assert radius.value > edge / 2


def test_neighbours_that_disagree():
    assert homogeneous(lambda a, b: a % 2 == b % 2, [1, 3, 5, 2])
    assert not homogeneous(lambda a, b: a % 2 == b % 2, [1, 2, 3])


def test_store_keeps_what_saves_most():
    store = Store(32, 10**9)
    dear, _ = store.add(Entry(vectors(1)[0], label(0), cost=100))
    used, _ = store.add(Entry(vectors(1)[0], label(1)))
    for _ in range(50):
        store.use(used)
    for number in range(200):
        store.add(Entry(vectors(1)[0], label(number)))
        assert len(store) <= 32
    assert None not in (store.get(dear), store.get(used))
    for number in range(3000):
        store.add(Entry(vectors(1)[0], label(number)))
    assert store.get(used) is None  # it ages: nobody has asked for it since


def test_store_is_bounded_in_bytes():
    store = Store(10**6, 1000)
    for number in range(100):
        store.add(Entry(vectors(1)[0], label(number)))
        assert store.nbytes <= 1000
    _, evicted = store.add(Entry(vectors(1)[0], {"label": np.zeros(1000)}))
    assert evicted
    assert store.nbytes <= 1000


def test_cache_learns_from_misses_then_reuses():
    known, keys = cache(), vectors(60)
    for key in np.repeat(keys[:1], 60, axis=0):
        found = known.look(key)
        if not found.reuse:
            known.judge(found, label(7))
            known.add(key, label(7))
    found = known.look(keys[0])
    assert found.reuse
    assert same(known.value(found.entry), label(7))
    for _ in range(20):  # the scene has changed: audits say so
        known.judge(known.look(keys[0]), label(8))
    assert not known.look(keys[0]).reuse


def filled(path, count=10, seed=0):
    save(path, MAKE, [Entry(key, label(number)) for number, key in enumerate(vectors(count, seed=seed))])
    return path


def test_file_round_trip(tmp_path):
    entries = load(filled(tmp_path / "a.cache"), MAKE)
    assert [int(entry.value["label"][0]) for entry in entries] == list(range(10))
    assert np.array_equal(np.array([entry.key for entry in entries]), vectors(10))


@pytest.mark.parametrize("at", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_damaged_files_are_refused(tmp_path, at):
    path = filled(tmp_path / "a.cache", 200)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * at)])
    with pytest.raises(CacheFileError, match="damaged"):
        load(path, MAKE)
    flipped = bytearray(whole)
    flipped[int(len(whole) * 0.3)] ^= 0xFF  # in the keys
    path.write_bytes(flipped)
    with pytest.raises(CacheFileError):
        load(path, MAKE)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (MAKE._replace(key="model"), "its key is thumbnail"),
        (MAKE._replace(length=8), "its length is 16"),
        (MAKE._replace(classes=("car",)), "its classes is"),
        (MAKE._replace(probe=np.array([1, -1, 1, 1], np.float32)), "made with another model"),
    ],
)
def test_files_of_another_make_are_refused(tmp_path, other, says):
    with pytest.raises(CacheFileError, match=says):
        load(filled(tmp_path / "a.cache"), other)


def shelf(path, *, exchange=True):
    """The caches of a live stream `cam` and of recordings, kept in a file."""
    counts, caches = Counter(), Caches(cache, {"cam"})
    return PersistentStore(path, MAKE, caches, exchange=exchange, counts=counts), caches, counts


def learn(known, keys):
    for number, key in enumerate(keys):
        known.add(key, label(number))


def test_a_damaged_file_is_counted_and_the_cache_goes_on_empty(tmp_path):
    (tmp_path / "a.cache").write_bytes(b"no cache")
    _, caches, counts = shelf(tmp_path / "a.cache")
    assert (len(caches.of("cam")), counts["unreadable"]) == (0, 1)


def test_disk_full(tmp_path, monkeypatch):
    kept, caches, counts = shelf(tmp_path / "a.cache")
    learn(caches.of("cam"), vectors(1))

    def full(*_):
        raise RunError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("vidpipe.stages.cache.persistent_store.save", full)
        kept.save()
    assert counts["unsaved"] == 1
    assert not (tmp_path / "a.cache").exists()
    kept.close()
    assert len(load(tmp_path / "a.cache", MAKE)) == 1


def test_two_caches_exchange_what_they_learn(tmp_path):
    """Of one name, in two threads: each has a file of its own, and both end up with all."""
    ready, ended = threading.Barrier(2), []

    def edge(seed):
        kept, caches, _ = shelf(tmp_path / "edge.cache")
        learn(caches.of("cam"), vectors(50, seed=seed))
        ready.wait(10)
        kept.save()
        ready.wait(10)
        kept.mind(EVERY)
        ended.append((len(caches.of("cam")), len(caches.own())))
        kept.close()

    threads = [threading.Thread(target=edge, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert ended == [(100, 50)] * 2
    assert sorted(path.name for path in tmp_path.glob("*.cache")) == ["edge.2.cache", "edge.cache"]


def test_live_streams_share_and_recordings_keep_to_themselves():
    caches = Caches(cache, {"cam", "other cam"})
    for seed, stream in enumerate(("cam", "tape", "other tape")):
        learn(caches.of(stream), vectors(10, seed=seed))
    assert caches.of("cam") is caches.of("other cam")
    assert [len(caches.of(stream)) for stream in ("cam", "tape", "other tape", "new tape")] == [10, 10, 10, 0]
    assert (len(caches.own()), caches.counts["added"]) == (30, 30)


def test_what_a_recording_knows_of_others_is_what_was_known_when_the_run_began(tmp_path):
    """Of both what earlier runs and what other caches have left; in the file it stands once."""
    filled(tmp_path / "own.cache", 10, seed=1)
    filled(tmp_path / "edge.cache", 10, seed=2)
    kept, caches, counts = shelf(tmp_path / "own.cache")
    assert [len(caches.of(stream)) for stream in ("cam", "tape")] == [20, 20]
    learn(caches.of("tape"), vectors(10, seed=3))
    filled(tmp_path / "late.cache", 10, seed=4)
    kept.mind(EVERY)
    assert [len(caches.of(stream)) for stream in ("cam", "tape", "next tape")] == [30, 30, 20]
    assert (caches.counts["added"], counts["taken"]) == (10, 20)
    kept.close()
    assert len(load(tmp_path / "own.cache", MAKE)) == 20


def test_caches_of_recordings_are_bounded():
    caches = Caches(cache, ())
    for number in range(MOST_RECORDINGS + 5):
        learn(caches.of(f"tape {number}"), vectors(1))
        caches.of("tape 0")
    assert len(caches.of("tape 0")) == 1
    assert len(caches.of("tape 1")) == 0
    assert caches.counts["added"] == MOST_RECORDINGS + 5
