"""One camera's round in a group: a gate of the others where it holds the budget here, and its own sent to them."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from vidpipe.core.errors import ConfigError, RunError
from vidpipe.models.gate import Gate
from vidpipe.stages.gate import decide
from vidpipe.stages.gate.adopting import adopt
from vidpipe.stages.gate.examples import Examples
from vidpipe.stages.gate.job import Task
from vidpipe.stages.gate.network import Size
from vidpipe.stages.gate.together import Group, Update
from vidpipe.stages.gate.training import TrainedGate
from vidpipe.stages.gate.versions import with_thresholds
from vidpipe.statistics.tolerance import LOG_ODDS, Seen, shared

log = logging.getLogger(__name__)

GROUP = "group"
"""In a gate's evidence: whose weights it holds, and which updates were refused, and why."""


class Round:
    """What one training reads of a group, and leaves there.

    Args:
        group: that the camera is a member of.
        task: what is trained.
        examples: of this camera.
        size: of the network.

    Attributes:
        counts: of updates and bytes, for the report.
    """

    def __init__(self, group: Group, task: Task, examples: Examples, size: Size) -> None:
        self._group = group
        self._task = task
        self._examples = examples
        self._size = size
        self.counts: Counter[str] = Counter()

    def adopted(self) -> Gate | None:
        """A gate of the others, validated on this camera's looks; None: one has to be trained.

        Raises:
            ConfigError: there is none, and too little to train one.
        """
        if not self._task.adopt:
            return None
        try:
            return self._adopted()
        except ConfigError as error:
            if not self._task.train:
                raise
            log.info("%s: it is trained alone", error)
            return None

    def send(self, trained: TrainedGate) -> None:
        """Leave what was trained here for the others; that it cannot be left there keeps no gate from use."""
        seen = decide.seen(trained, self._task.max_miss)
        try:
            size = self._group.send(self._update(trained.weights, seen))
        except (ConfigError, RunError) as error:
            log.warning("stream %s: nothing is sent to the group: %s", self._examples.stream, error)
            self.counts["updates not sent"] += 1
            return
        self.counts["updates sent" if size else "updates not sent"] += 1
        self.counts["bytes sent"] += size

    def _adopted(self) -> Gate:
        task = self._task
        received = self._group.received(self._update({}, Seen(0, 0.0, 0.0)))
        self.counts.update({"rounds": 1, "bytes read": received.size, "updates refused": len(received.refused)})
        for name, why in received.refused.items():
            log.info("stream %s: the update of %s is refused: %s", self._examples.stream, name, why)
        found = adopt(self._examples, task.targets, received.updates)
        self.counts["updates refused"] += len(received.updates) - len(found.alike)
        usual = shared(LOG_ODDS, [one.seen for one in found.alike])
        decided = decide.thresholds(found.trained, task.max_miss, task.max_false, usual)
        self.counts["gates adopted"] += 1
        told: dict[str, Any] = {
            "weights_of": {one.stream: one.version for one in received.updates if one.stream in found.averaged},
            "explained": {name: round(share, 3) for name, share in found.explained.items()},
            "refused": dict(received.refused),
        }
        speaks = decide.evidence(found.trained, decided, task.max_miss)
        return with_thresholds(found.trained.gate, decided.low, decided.high, **speaks, **{GROUP: told})

    def _update(self, weights: Any, seen: Seen) -> Update:
        examples = self._examples
        height, width = examples.pictures.shape[1:]
        targets = tuple(sorted(self._task.targets))
        return Update(examples.stream, 0, targets, (height, width), self._size.name, weights, seen)
