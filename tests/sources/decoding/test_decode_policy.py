"""What is decoded of a stream. What must hold:

- while anything moves, everything is decoded;
- a still stream goes unseen for no longer than the bound, unless packets have been seen to tell of motion on it;
- where they have been, the first large one wakes it.
"""

import numpy as np
import pytest

from vidpipe.sources.decoding.decode_policy import DecodePolicy, PacketSizes, Stillness, Sway, worst_block

FPS = 10
STILL = np.full((48, 64), 90, np.uint8)


def moving(i):
    picture = STILL.copy()
    picture[10:30, i * 7 % 40 : i * 7 % 40 + 20] = 220
    return picture


class Stream:
    """A camera whose picture moves in some seconds and not in others."""

    def __init__(self, policy, *, group=20, still_size=500, moving_size=4000):
        self.policy = policy
        self.group = group
        self.sizes = {False: still_size, True: moving_size}
        self.count = 0
        self.decoded: list[bool] = []

    def play(self, seconds, *, moves):
        """Whether each picture of this time was decoded."""
        first = self.count
        for _ in range(round(seconds * FPS)):
            i, at = self.count, self.count / FPS
            key = i % self.group == 0
            size = 20_000 if key else self.sizes[moves] + i % 7 * 10
            wanted = self.policy.wants(size, at, key=key)
            if wanted:
                self.policy.saw(moving(i) if moves else STILL, at, size, key=key)
                self.policy.settle(at)
            self.decoded.append(wanted)
            self.count += 1
        return self.decoded[first:]


def longest_blind_s(decoded):
    return max(map(len, "".join(" x"[wanted] for wanted in decoded).split("x"))) / FPS


def test_everything_is_decoded_while_anything_moves():
    assert all(Stream(DecodePolicy(2.0)).play(30, moves=True))


def test_a_still_stream_is_looked_at_by_its_key_frames():
    stream = Stream(DecodePolicy(2.0))
    assert all(stream.play(5, moves=False))
    stream.play(2, moves=False)
    idle = stream.play(20, moves=False)
    assert sum(idle) == 10
    assert longest_blind_s(idle) < 2
    assert all(stream.play(10, moves=True)[19:]), "from the next key frame on"


@pytest.mark.parametrize("group", [22, 50])
def test_where_key_frames_are_further_apart_than_the_bound_it_keeps_decoding(group):
    assert all(Stream(DecodePolicy(2.0), group=group).play(40, moves=False))


def test_no_bound_no_rest():
    assert all(Stream(DecodePolicy(0.0)).play(30, moves=False))


def test_a_group_that_is_suddenly_longer_ends_the_rest_at_the_bound():
    stream = Stream(DecodePolicy(2.0))
    stream.play(20, moves=False)
    stream.group = 10_000
    decoded = stream.play(30, moves=False)
    assert longest_blind_s(decoded) <= 2.2
    assert all(decoded[30:])


def taught(moving_size, *, group=100):
    stream = Stream(DecodePolicy(2.0), group=group, moving_size=moving_size)
    for _ in range(8):
        stream.play(4, moves=False)
        stream.play(3, moves=True)
    return stream


def test_packets_that_tell_of_motion_wake_at_once_and_allow_any_group():
    stream = taught(moving_size=4000)
    assert stream.policy.sizes.tell
    idle = stream.play(40, moves=False)[100:]
    assert sum(idle) == 3, "key frames alone"
    assert all(stream.play(5, moves=True))


def test_packets_that_tell_nothing_are_not_believed():
    stream = taught(moving_size=520)
    assert not stream.policy.sizes.tell
    assert all(stream.play(40, moves=False)), "a group of ten seconds is over the bound"


def test_packets_that_fail_to_tell_once_are_believed_no_more():
    stream = taught(moving_size=4000)
    stream.play(20, moves=False)
    stream.sizes[True] = 500
    decoded = stream.play(30, moves=True)
    assert not stream.policy.sizes.tell
    assert all(decoded[100:])


def test_a_new_connection_begins_by_decoding_and_forgets_no_sizes():
    stream = taught(moving_size=4000)
    stream.play(20, moves=False)
    assert stream.policy.idle
    stream.policy.begin()
    assert not stream.policy.idle
    assert stream.policy.sizes.tell


def test_what_was_never_seen_still_says_nothing():
    assert not PacketSizes().is_motion(10**9)


def test_the_size_of_a_packet_that_announces_motion_is_no_size_of_a_still_picture():
    """It comes before anything is seen to move: learnt as still, it would hide every later one."""
    sizes = PacketSizes()
    for onset in range(6):
        for i in range(40):
            size = 4000 if i >= 37 else 500  # the last three, of a picture that does not move yet
            sizes.learn(size, onset * 10 + i / FPS, moved=i == 39, still_s=2.0)
    assert sizes.is_motion(1000)


def test_a_group_rests_only_where_nothing_tells_of_motion():
    policy = Stream(DecodePolicy(2.0))
    policy.play(20, moves=False)
    rests = policy.policy.may_rest
    assert rests([500, 520], 2.0)
    assert not rests([500, 4000], 2.0)
    assert not rests([500, 520], 2.5), "sizes have not been seen to tell"
    policy.policy.doubt()
    assert not rests([500, 520], 2.0)
    policy.policy.settle(20.0)
    assert rests([500, 520], 2.0), "the picture has been still all the time"


def test_what_the_picture_always_does_is_no_motion_and_what_it_does_elsewhere_is():
    sway = Sway()
    swayed = STILL.copy()
    swayed[0:5, 0:7] = 120
    for i in range(12):
        sway.see(swayed if i % 2 else STILL, float(i))
        sway.see(STILL, float(i))  # seen again, it is not learnt again
    stillness = Stillness()
    stillness.see(STILL, 0.0)
    assert not stillness.see(swayed, 1.0, sway.limits)
    assert stillness.see(moving(0), 2.0, sway.limits)


def test_the_worst_block_counts():
    assert worst_block(STILL, STILL) == 0
    assert worst_block(moving(0), STILL) > 1000
