"""When which configurations of a stream are held against golden, and what follows: pure decisions, by media time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vidpipe.tuning.chameleon.groups import alike
from vidpipe.tuning.chameleon.space import Accuracies, Configuration, Space
from vidpipe.tuning.chameleon.trial import Question

_NEVER = math.inf
_DEVIANT = 2  # checks in a row at which a follower is unlike its leader, before it leaves
_CHECKED = 4  # windows from one check of a follower to the next, where later segments do not tell
_NOISE = 0.05  # by which the accuracy that a single second shows may be off


@dataclass(frozen=True, slots=True)
class Rules:
    """The constants; `vidpipe.tuning.chameleon` says where those come from that are not ours.

    Attributes:
        alpha: F1 against golden that a configuration must have.
        segment_s: media seconds of a segment.
        profile_s: of them, those in which golden runs, where it does.
        window: segments from one profile to the next, at first.
        windows: the least and the most that this becomes.
        k: how many configurations of a profile are tried in later segments, at first. At most it becomes twice that.
        tries: whether they are tried in each later segment. Else the cheapest holds until the next profile, and
            followers try them once in four windows, to see whether they are still like their leader.
        regroup: windows after which groups are formed anew.
        deviation: how far the F1 of any value of a knob may differ in a group; and how far that of what a follower
            tries may differ from what its leader saw, on average.
    """

    alpha: float = 0.9
    segment_s: float = 4.0
    profile_s: float = 1.0
    window: int = 4
    windows: tuple[int, int] = (1, 16)
    k: int = 5
    tries: bool = True
    regroup: int = 8
    deviation: float = 0.2


@dataclass(slots=True)
class _Stream:
    """What is known of one stream.

    Attributes:
        leader: whose profiles it goes by; a leader has its own name here.
        chosen: what is in force; None: nothing was chosen yet.
        expected: accuracies of the configurations to try, as its last profile has them, in rising cost.
        due: the segment from which it needs a profile.
        began: the segment of its last profile.
        profile: accuracies of the values of each knob, in order; empty: not known.
        unplaced: it profiles itself in order to be placed in a group.
        windows: profiles since groups were formed by it.
        check: the segment from which a follower has to see whether it is still like its leader.
        tries, firsts: trials since the last profile, and those of them that the cheapest won.
        fell: none of the configurations was good enough at the last trial, so the window is shorter already.
        strikes: its checks in a row that differ from what the leader saw.
    """

    leader: str
    window: int
    k: int
    chosen: Configuration | None = None
    expected: dict[Configuration, float] = field(default_factory=dict)
    due: float = 0
    began: int = 0
    profile: list[float] = field(default_factory=list)
    unplaced: bool = True
    windows: int = 0
    check: int = 0
    tries: int = 0
    firsts: int = 0
    fell: bool = False
    strikes: int = 0


class Policy:
    """Decides for all streams of a run, which have the same configurations.

    Whoever asks it calls `question` at the begin of each segment of a stream, has the question answered, tells what was
    measured to `learn`, and puts in force what `chosen` says.

    Args:
        near: streams that may be of one group, by hand: for example those of one place. Nearness alone makes no group,
            it only bounds where likeness is looked for. A stream that is not named may be like any other such.
    """

    def __init__(self, space: Space, rules: Rules, near: Sequence[Sequence[str]] = ()) -> None:
        self._space = space
        self._rules = rules
        self._place = {stream: index for index, streams in enumerate(near) for stream in streams}
        self._streams: dict[str, _Stream] = {}

    def chosen(self, stream: str) -> Configuration | None:
        """What shall be in force; None before the first evidence."""
        return self._streams[stream].chosen if stream in self._streams else None

    def leader(self, stream: str) -> str:
        """Whose profiles the stream goes by; its own name where it is no follower."""
        return self._streams[stream].leader if stream in self._streams else stream

    def question(self, stream: str, segment: int) -> Question | None:
        """What to hold against golden in this segment of the stream, at its begin; None: nothing."""
        rules, golden = self._rules, self._space.golden
        own = self._streams.setdefault(stream, _Stream(stream, rules.window, rules.k))
        leader = self._streams[own.leader]
        check = leader is not own and segment >= own.check
        if check and leader.expected.keys() == {golden}:  # that tells nothing of a follower: it has to see for itself
            own.due, own.unplaced = segment, True
        if segment >= own.due:
            # While nothing is in force golden runs anyway: there is no reason to wait for evidence.
            own.began, own.due = segment, segment + (own.window if own.chosen else 1)
            own.check = segment + _CHECKED * own.window
            return Question(golden, self._space.knobs(), whole=True)
        if not (rules.tries or check) or leader.expected.keys() <= {golden}:
            return None
        own.check = segment + _CHECKED * leader.window
        return Question(golden, [[configuration] for configuration in leader.expected], whole=False)

    def learn(self, stream: str, question: Question, measured: Accuracies) -> None:
        """What came of a question.

        Args:
            measured: empty where there is no evidence: then everything stays as it is.
        """
        if not measured or stream not in self._streams:
            return
        own = self._streams[stream]
        if question.whole:
            before = own.profile
            self._profiled(own, measured)
            if own.unplaced or own.windows >= self._rules.regroup or self._differ(before, own.profile):
                self._place_anew(stream, own)
            else:
                self._hand_down(stream, own)
        else:
            self._tried(stream, own, question, measured)

    def remove(self, stream: str) -> None:
        """A stream has ended; those that it led get another leader."""
        if self._streams.pop(stream, None) is None:
            return
        left = [name for name, each in self._streams.items() if each.leader == stream]
        for name in left:
            self._streams[name].leader = name
        if left:
            self._group(left[0])

    def _profiled(self, own: _Stream, measured: Accuracies) -> None:
        rules = self._rules
        if own.tries and own.firsts == own.tries:
            own.k = max(1, own.k - 1)
        accuracies = self._space.estimated(measured)
        top = self._space.cheapest(accuracies, rules.alpha, own.k)
        if own.expected and not own.fell:
            own.window = self._window(own, accuracies, top)
        own.expected = {configuration: accuracies[configuration] for configuration in top}
        own.chosen = top[0]
        own.due = own.began + own.window
        own.profile = [measured[value] for knob in self._space.knobs() for value in knob]
        own.windows += 1
        own.tries, own.firsts, own.fell = 0, 0, False

    def _window(self, own: _Stream, accuracies: Accuracies, top: Sequence[Configuration]) -> int:
        """Longer while most of what is found stays the same, shorter where what is in force is not good enough now."""
        least, most = self._rules.windows
        if own.chosen is not None and accuracies.get(own.chosen, 0.0) < self._rules.alpha - _NOISE:
            return max(least, own.window // 2)
        same = own.expected.keys() & set(top)
        return min(most, 2 * own.window) if 2 * len(same) >= min(len(top), len(own.expected)) else own.window

    def _hand_down(self, stream: str, own: _Stream) -> None:
        """What followers have in force goes with what their leader finds, unless that did not fit them lately."""
        for name, other in self._streams.items():
            fits = not other.strikes and other.chosen != self._space.golden
            if other.leader == stream != name and fits and other.chosen not in own.expected:
                other.chosen = own.chosen

    def _differ(self, before: Sequence[float], now: Sequence[float]) -> bool:
        """Whether a stream is no longer what it was: then it must not drag its followers along."""
        return any(abs(one - other) > self._rules.deviation for one, other in zip(before, now, strict=False))

    def _tried(self, stream: str, own: _Stream, question: Question, measured: Accuracies) -> None:
        """Take the cheapest that is good enough; golden where none is."""
        tried = question.configurations
        good = [configuration for configuration in tried if measured[configuration] >= self._rules.alpha]
        own.chosen = good[0] if good else self._space.golden
        if own.leader != stream:
            self._check(stream, own, measured)
            return
        own.tries += 1
        own.firsts += own.chosen == tried[0]
        if not good:
            own.k = min(2 * self._rules.k, own.k + 1)
            own.window = max(self._rules.windows[0], own.window // 2)
            own.due, own.fell = 0, True

    def _check(self, stream: str, own: _Stream, measured: Accuracies) -> None:
        """See whether a follower is still like its leader; one that is not leads itself, until it is placed anew."""
        expected = self._streams[own.leader].expected
        both = [abs(expected[each] - measured[each]) for each in expected if each in measured]
        own.strikes = own.strikes + 1 if both and sum(both) / len(both) > self._rules.deviation else 0
        if own.strikes == _DEVIANT:
            own.leader, own.due, own.unplaced = stream, 0, True
            own.expected, own.profile, own.strikes = {}, [], 0

    def _place_anew(self, stream: str, own: _Stream) -> None:
        """Form groups with what is known, and have those profile themselves who have long gone by another's."""
        if own.windows >= self._rules.regroup:
            own.windows = 0
            for name, other in self._streams.items():
                if other.leader == stream and name != stream:
                    other.due, other.unplaced = 0, True
        own.unplaced = False
        self._group(stream)

    def _group(self, stream: str) -> None:
        """Form groups among the streams that may be of one with this."""
        place = self._place.get(stream)
        profiles: Mapping[str, Sequence[float]] = {
            name: each.profile
            for name, each in self._streams.items()
            if each.profile and self._place.get(name) == place
        }
        for members in alike(profiles, self._rules.deviation):
            self._lead(members)

    def _lead(self, members: Sequence[str]) -> None:
        """Who leads already goes on, if there is one; else who is nearest to the centre begins."""
        leader = next((name for name in members if self._streams[name].leader == name), members[0])
        for name in members:
            each = self._streams[name]
            each.leader = leader
            if name == leader:
                each.due = 0 if each.due == _NEVER else each.due
            elif not each.unplaced:
                each.due, each.strikes = _NEVER, 0
