"""What actors say of themselves: their counts outlive them, and their deaths are noticed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from ray.exceptions import RayActorError, RayError

from vidpipe.cascade.cascade import Away
from vidpipe.pipeline.plan import Place
from vidpipe.results.machinery import Kind, Load, ProcessNow, ProcessState
from vidpipe.results.records import Counts
from vidpipe.runtime.links.absences import Absences
from vidpipe.runtime.ray.actors import Word

log = logging.getLogger(__name__)

ASK_EVERY_S = 1.0  # what an actor has counted since its last word is gone with it
LAST_WORD_S = 10.0
BACK_S = 1.0  # for one that was away to say that it is there again
ANSWER_S = 3.0  # of silence, after which nobody waits for one to be told something that it can do without


@dataclass(slots=True)
class _Member:
    """An actor, and the last word of each of its instances.

    Attributes:
        silent_since: UTC seconds; it cannot be reached: another instance will tell that this one has died.
        slow: it did not answer in time, and is not waited for again until it has.
        ended: on purpose: nobody asks it any more.
        asked_at, heard_at: when it was asked last, and last said something, by the monotonic clock.
        watched: whoever uses it tells of its deaths; else they are known by another instance that answers, so that of
            two within a second one may be missed.
    """

    name: str
    actor: Any
    tier: str = ""
    site: str = ""
    watched: bool = False
    words: dict[str, Word] = field(default_factory=dict)
    instance: str = ""
    asked: Future[Word] | None = None
    silent_since: float | None = None
    slow: bool = False
    ended: bool = False
    asked_at: float = 0.0
    heard_at: float | None = None
    deaths: list[float] = field(default_factory=list)

    def ask(self, *, fresh: bool = False) -> Future[Word]:
        asked: Future[Word] = self.actor.word.remote(fresh).future()
        self.asked, self.asked_at = asked, time.monotonic()
        return asked

    def hear(self) -> None:
        """Take what it has said, if it has."""
        if self.asked is None or not self.asked.done() or self.ended:
            return
        answer, self.asked, self.slow = self.asked, None, False
        try:
            word = answer.result()
        except RayActorError:
            self.silent_since = self.silent_since or time.time()
            return
        except RayError:  # it is there, and cannot say
            return
        if self.instance and word.instance != self.instance:
            if not self.watched:
                self.deaths.append(self.silent_since or time.time())
            log.warning("the actor of %s died; it is there again", self.name)
        self.heard_at = time.monotonic()
        before = self.words.get(word.instance)
        word.warnings.repeat(heard=before.warnings.total if before else 0)
        self.instance, self.silent_since = word.instance, None
        self.words[word.instance] = word

    def away(self) -> Mapping[str, Away]:
        return self.words[self.instance].away if self.instance else {}

    def state(self) -> ProcessState:
        if self.silent_since is not None:
            return ProcessState.AWAY
        if not self.answers():
            return ProcessState.SILENT if self.instance else ProcessState.STARTING
        return ProcessState.RUNNING if self.instance else ProcessState.STARTING

    def now(self, kind: Kind, streams: Collection[str]) -> ProcessNow:
        """How it fares."""
        load = self.words[self.instance].load if self.instance else None
        return ProcessNow(
            self.name,
            kind,
            self.state(),
            self.tier,
            self.site,
            load.machine if load else "",
            load.pid if load else None,
            tuple(streams),
            self.died(),
            None if self.heard_at is None else time.monotonic() - self.heard_at,
            sum(word.cpu_s for word in self.words.values()),
            load.process_memory_bytes if load else None,
        )

    def died(self) -> int:
        return len(self.deaths) + (self.silent_since is not None and not self.watched)

    def answers(self) -> bool:
        waits = self.asked is not None and not self.asked.done() and time.monotonic() - self.asked_at > ANSWER_S
        return self.silent_since is None and not waits


class Census:
    """Asks all actors of a run for their word now and then, and keeps the last one of each instance.

    One thread may wait in `ask_all` while another calls `go_on`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held for what members say, and never while anybody waits
        self._members: list[_Member] = []
        self._asked_at = 0.0
        self._away = Absences()

    def add(self, name: str, actor: Any, place: Place | None = None, *, watched: bool = False) -> None:
        """Ask this one, too, which runs that place; `watched`: `died` is called each time that it does."""
        tier, site = (str(place.tier), place.site) if place is not None else ("", "")
        with self._lock:
            self._members.append(_Member(name, actor, tier, site, watched))

    def leave(self, actor: Any) -> None:
        """This one is ended on purpose; what it has counted stays."""
        with self._lock:
            for member in self._members:
                member.ended |= member.actor is actor

    def died(self, actor: Any) -> None:
        """Somebody saw it die."""
        with self._lock:
            for member in self._members:
                if member.actor is actor:
                    member.deaths.append(time.time())

    def hears(self, actor: Any) -> bool:
        """Whether an actor answers, as far as is known: nobody should wait for one that does not."""
        with self._lock:
            return all(member.answers() for member in self._members if member.actor is actor)

    def go_on(self) -> None:
        """Ask when it is time again, hear who has answered, and tell whom nobody reaches; never waits."""
        with self._lock:
            if time.monotonic() - self._asked_at > ASK_EVERY_S:
                self._asked_at = time.monotonic()
                for member in self._members:
                    if member.asked is None and not member.ended:
                        member.ask()
            for member in self._members:
                member.hear()
            self._away.note(_union(member.away() for member in self._members))

    def ask_all(self) -> None:
        """Have the word of everybody as it is now; of those who are away, the last one stands."""
        with self._lock:
            for member in self._members:
                member.hear()
            # Anew: an earlier question may be answered with what was so then.
            asked = [(member, member.ask(fresh=True)) for member in self._members if not (member.slow or member.ended)]
        asked_at = time.monotonic()
        for member, word in asked:
            away = member.silent_since is not None
            _wait(word, asked_at + (BACK_S if away else LAST_WORD_S) - time.monotonic())
            with self._lock:
                member.slow = not away and not word.done()
                member.hear()

    def counts(self) -> Counts:
        """What all instances have counted, as far as they could tell, and when which ones died."""
        with self._lock:
            counts = [
                word.counts if instance == member.instance else word.counts.past()
                for member in self._members
                for instance, word in member.words.items()
            ]
            deaths: dict[str, tuple[float, ...]] = {}
            for member in self._members:
                silent = [member.silent_since] if member.silent_since and not member.watched else []
                died = (*member.deaths, *silent)
                if died:
                    deaths[member.name] = deaths.get(member.name, ()) + died
        return sum(counts, Counts({}, {}, {}, deaths))

    def processes(self, standbys: Collection[Any], devices: Iterable[tuple[Any, Sequence[str]]]) -> list[ProcessNow]:
        """How all of them fare that were not ended on purpose.

        Args:
            standbys: the actors that stand by now.
            devices: the actors that read streams, with those.
        """
        reads = {id(actor): streams for actor, streams in devices}
        kinds = {id(actor): Kind.STANDBY for actor in standbys}
        with self._lock:
            members = [(id(member.actor), member) for member in self._members if not member.ended]
            return [member.now(kinds.get(id, Kind.ACTOR), reads.get(id, ())) for id, member in members]

    def loads(self) -> dict[str, Load]:
        """What was told within seconds of each machine on which an actor stands, by its node of Ray."""
        oldest = time.monotonic() - ASK_EVERY_S - ANSWER_S
        with self._lock:
            heard = [(member.heard_at, member) for member in self._members if member.heard_at and member.instance]
            heard = sorted((each for each in heard if each[0] > oldest), key=lambda each: each[0])
            words = [member.words[member.instance] for _, member in heard]
            return {word.node: word.load for word in words if word.load is not None}

    def cpu_s(self) -> float:
        """CPU seconds of all instances since they began."""
        with self._lock:
            return sum(word.cpu_s for member in self._members for word in member.words.values())

    def away(self, actors: Collection[Any]) -> Mapping[str, float]:
        """Whom these actors do not reach, by name, and since when, by the monotonic clock."""
        with self._lock:
            members = [member for member in self._members if any(member.actor is actor for actor in actors)]
            names = _union(member.away() for member in members)
            return {name: since for name, since in self._away.segments.items() if name in names}


def _wait(asked: Future[Word], timeout_s: float) -> None:
    try:
        asked.exception(max(0.0, timeout_s))
    except TimeoutError:
        return


def _union(each: Iterable[Mapping[str, Away]]) -> dict[str, Away]:
    return {name: who for away in each for name, who in away.items()}
