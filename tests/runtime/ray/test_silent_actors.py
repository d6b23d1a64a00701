"""Calls of actors that say nothing."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from vidpipe.core.errors import RunError
from vidpipe.runtime.ray import replies


@pytest.fixture(autouse=True)
def mute(monkeypatch: pytest.MonkeyPatch) -> None:
    """No call returns, and to look for that takes no time."""
    monkeypatch.setattr(replies, "ray", SimpleNamespace(wait=lambda references, timeout: ([], references)))


def test_nobody_waits_for_an_actor_that_falls_silent() -> None:
    said = iter([False, False, True])
    assert replies.is_heard("call", 3600, lambda: next(said))
    assert list(said) == []


def test_one_that_talks_and_does_not_answer_is_not_waited_for_for_ever() -> None:
    with pytest.raises(RunError, match=r"an actor did not answer within 0\.01 s"):
        replies.is_heard("call", 0.01, lambda: False)
