"""Commands from Home Assistant: checked where they come, and carried out one after another in a thread of their own."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping

from vidpipe.core.clock import Clock
from vidpipe.core.errors import contained
from vidpipe.results.sinks.base import ControlledRun
from vidpipe.results.sinks.mqtt.home_assistant.controls import Control

log = logging.getLogger(__name__)

_LONGEST = 256  # bytes of a command
_MOST_OPEN = 8  # that wait, or are under way
_MINUTE_S = 60.0
_COUNTS = ("commands", "commands_done", "commands_failed", "commands_refused")


class Commands:
    """Carries out what comes. A command loads a model at most, for seconds: nothing else waits for that.

    In its counts `commands = commands_done + commands_failed + commands_refused + commands_waiting`.

    Args:
        a_minute: commands; what goes beyond is refused.
        told: gets the topic of each command, and what was wrong with it; "" where it was carried out. It is called in
            the order in which commands come to their end: else the word of an earlier one would hide that of a later.
    """

    def __init__(self, run: ControlledRun, a_minute: int, told: Callable[[str, str], None], clock: Clock) -> None:
        self._run = run
        self._a_minute = a_minute
        self._told = told
        self._clock = clock
        self._came: deque[float] = deque()
        self._waiting: deque[tuple[str, Control, str]] = deque()
        self._open = 0
        self._counts: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._carry_out, name="vidpipe-commands", daemon=True)
        self._thread.start()

    def put(self, topic: str, control: Control | None, payload: bytes, *, retained: bool) -> None:
        """Take a command; what is wrong with it is told.

        Args:
            control: that listens to this topic; None: none does.
            retained: whether it stood there before: whoever sent it may be long gone.
        """
        with self._changed:
            self._counts["commands"] += 1
            text = payload[:_LONGEST].decode("utf-8", "replace")
            why = self._objection(control, payload, text, retained)
            if not why and control is not None:
                self._waiting.append((topic, control, text))
                self._open += 1
                self._changed.notify_all()
                return
            self._counts["commands_refused"] += 1
            self._told(topic, why)

    def close(self) -> None:
        """Carry out no more; one under way is not waited for."""
        with self._changed:
            self._closing = True
            self._counts["commands_refused"] += len(self._waiting)
            self._open -= len(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()

    @property
    def counts(self) -> Mapping[str, int]:
        """What became of commands."""
        with self._changed:
            return {name: self._counts[name] for name in _COUNTS} | {"commands_waiting": self._open}

    def _objection(self, control: Control | None, payload: bytes, text: str, retained: bool) -> str:
        """Why a command is not carried out; "" if it is."""
        if control is None:
            return "nothing takes commands there"
        if retained:
            return "it is retained: commands count once, when they are sent"
        if len(payload) > _LONGEST or text not in control.options:
            return f"{control.name} takes {', '.join(control.options)}, not {text[:40]!r}"
        now = self._clock.monotonic()
        while self._came and now - self._came[0] >= _MINUTE_S:
            self._came.popleft()
        if len(self._came) >= self._a_minute:
            return f"more than {self._a_minute} commands a minute"
        if self._open >= _MOST_OPEN:
            return "too many commands wait"
        self._came.append(now)
        return ""

    def _carry_out(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if self._closing:
                    return
                topic, control, text = self._waiting.popleft()
            why = ""
            try:
                control.choose(self._run, text)
            except Exception as error:
                why = str(contained(error))
            log.warning("Home Assistant: %s: %s%s", control.name, text, f" failed: {why}" if why else "")
            with self._changed:
                self._open -= 1
                self._counts["commands_failed" if why else "commands_done"] += 1
                self._told(topic, why)
