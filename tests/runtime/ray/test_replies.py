"""What is said of actors that die while they start: in a line, with what to do."""

from __future__ import annotations

import pytest
from ray.exceptions import RayActorError

import vidpipe
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.runtime.ray import replies

BEFORE = "The actor died because of an error raised in its creation task, ray::SegmentActor.__init__()\n"


class DiedError(RayActorError):
    actor_init_failed = True

    def __init__(self, text):
        super().__init__()
        self.text = BEFORE + text

    def __str__(self):
        return self.text


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("vidpipe.core.errors.ConfigError: machine box has vidpipe 1", ConfigError, "machine box has vidpipe 1"),
        (
            "ModuleNotFoundError: No module named 'vidpipe'",
            RunError,
            f"its machine has no vidpipe, or another one: pip install vidpipe=={vidpipe.__version__} there",
        ),
        ("OSError: no licence", RunError, "an actor died while it was starting: OSError: no licence"),
    ],
)
def test_why_an_actor_has_died(monkeypatch, text, kind, told):
    def fails(*_):
        raise DiedError(text)

    monkeypatch.setattr(replies, "told", fails)
    with pytest.raises(kind) as raised:
        replies.got([], 1.0)
    assert str(raised.value).endswith(told)
    assert "\n" not in str(raised.value)
