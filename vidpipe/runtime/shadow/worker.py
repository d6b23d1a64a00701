"""Has shadow asks answered: one thread for each process of a run, and beside it a process of low priority."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from vidpipe.cascade.cascade import Ticket
from vidpipe.cascade.runner import Meter
from vidpipe.core.answer import How
from vidpipe.core.errors import text_of
from vidpipe.core.extensions import child_environment
from vidpipe.core.frame import Frame
from vidpipe.pipeline.spec import LinkSpec
from vidpipe.runtime.shadow.ask import Reply, ShadowAsk, Tell, refuse
from vidpipe.runtime.shadow.messages import Question, Replies, Setup
from vidpipe.runtime.transport import codec
from vidpipe.sources.view import View

log = logging.getLogger(__name__)

IDLE_S = 60.0  # without a question for so long the process ends, and gives its memory back
REPLY_S = 300.0  # for models to load and all variants of a question to answer: one that hangs is given up then
_RAW = LinkSpec()


class _Waiting(NamedTuple):
    question: Question
    tell: Tell


class ShadowWorker:
    """Answers shadow asks of the stages that stand in this process, one after the other.

    Args:
        setup: what its process has to know.
        pack: makes bytes of an object that `pickle.loads` reads, also of a stage that is known by value only.
    """

    def __init__(self, setup: Setup, pack: Callable[[Any], bytes] = pickle.dumps) -> None:
        self._setup = setup
        self._pack = pack
        self._waiting: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()  # of the thread, the process and the meters
        self._closed = False
        self._meters: dict[str, Meter] = {}
        self._cpu_ns = 0  # of the process that runs, as last told

    def ask(self, frame: Frame, view: View | None, asks: Sequence[ShadowAsk], tell: Tell) -> None:
        """Have these asked of a copy of the frame; never waits, and never raises."""
        if not asks:
            return
        question = Question(codec.pack(Ticket(frame), _RAW, complete=False), view, asks)
        with self._lock:
            if not self._closed:
                self._waiting.put(_Waiting(question, tell))
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="vidpipe-shadow", daemon=True)
                    self._thread.start()
                return
        refuse(asks, tell, "the run ends")

    def meters(self) -> dict[str, Meter]:
        """What each variant was asked and cost."""
        with self._lock:
            return {label: meter + Meter() for label, meter in self._meters.items()}

    @property
    def cpu_s(self) -> float:
        """CPU seconds of the process that runs, loading included; of those that have ended the system knows."""
        return self._cpu_ns / 1e9

    def close(self) -> None:
        """Answer nothing more."""
        with self._lock:
            self._closed = True
            self._waiting.put(None)
            if self._process is not None:
                self._process.kill()

    def _run(self) -> None:
        while True:
            try:
                waiting = self._waiting.get(timeout=IDLE_S)
            except Empty:
                self._end()
                continue
            if waiting is None:
                self._end()
                return
            asks = waiting.question.asks
            try:
                replies = self._asked(waiting.question)
            except Exception as error:
                self._end()
                died = isinstance(error, EOFError | OSError)
                why = f"died, or said nothing for {REPLY_S:g} s" if died else f"broke: {text_of(error)}"
                refuse(asks, waiting.tell, f"the process of shadow asks {why}")
                continue
            for ask, reply in zip(asks, replies, strict=True):
                self._count(ask, reply)
                waiting.tell(ask, reply)

    def _asked(self, question: Question) -> Sequence[Reply]:
        process = self._process or self._begun()
        assert process.stdin is not None
        assert process.stdout is not None
        patience = threading.Timer(REPLY_S, process.kill)
        patience.daemon = True
        patience.start()
        try:
            pickle.dump(self._pack(question), process.stdin)
            process.stdin.flush()
            told: Replies = pickle.load(process.stdout)
        finally:
            patience.cancel()
        self._cpu_ns = told.cpu_ns
        return told.replies

    def _begun(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "vidpipe.runtime.shadow.process"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=child_environment())
        with self._lock:
            self._process = process
            if self._closed:
                process.kill()
        assert process.stdin is not None
        pickle.dump(tuple(self._setup.search_paths), process.stdin)
        pickle.dump(self._pack(self._setup), process.stdin)
        return process

    def _end(self) -> None:
        """Let the process go: it may be idle, broken, or in the middle of something."""
        with self._lock:
            process, self._process = self._process, None
            self._cpu_ns = 0
        if process is not None:
            process.kill()
            process.communicate()

    def _count(self, ask: ShadowAsk, reply: Reply) -> None:
        with self._lock:
            meter = self._meters.setdefault(ask.label, Meter())
            meter.asked += 1
            meter.wall_ns += reply.wall_ns
            meter.cpu_ns += reply.cpu_ns
            if reply.answer.how is How.FAILED:
                meter.raised["answer"] += 1
                meter.first_error = meter.first_error or reply.answer.reason
            else:
                meter.answered += 1


def split(asks: Sequence[ShadowAsk], stages: Collection[str]) -> tuple[list[ShadowAsk], list[ShadowAsk]]:
    """Those of these stages, and the others."""
    own = [ask for ask in asks if ask.stage in stages]
    return own, [ask for ask in asks if ask.stage not in stages]
