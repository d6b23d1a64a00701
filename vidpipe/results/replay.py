"""Events out of a results file: rules held against what was published, without a picture, a model or a clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vidpipe.cascade.audit import Audit
from vidpipe.cascade.reachback import read
from vidpipe.core.errors import ConfigError
from vidpipe.core.event import Event
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.joins import Joins, Sighted
from vidpipe.results.recorded import RecordedResults
from vidpipe.transforms.rules.rules import RULES, Rules
from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.spec import RulesConfig


class ResultsReplay(RecordedResults):
    """The results of a run, or of several one behind another, to be held against rules.

    Attributes:
        start: of the run whose events come, as its first line has it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.start: str = self.head.get("start", "")

    def events(self, pipeline: Pipeline | None = None) -> Iterator[Event]:
        """What rules say of these results, in the order in which a run would tell it.

        A last line that was cut off, as a run that was killed leaves it, is left out.

        Args:
            pipeline: whose rules; they hold from the first result to the last. None: those that the run had, each from
                the result on at which it came into force.

        Raises:
            ConfigError: a line is not what results are, or the results do not say which rules the run had.
        """
        replayed, joins = self._begun(self.head, pipeline), Joins()
        for number, told in self.lines():
            if "schema" in told:  # another run
                for own in replayed.values():
                    yield from joins.join((), own.end())
                replayed, joins, self.start = self._begun(told, pipeline), Joins(), told.get("start", "")
                continue
            try:
                ended = list(_turned(replayed, told, recorded=pipeline is None)) if "settings" in told else []
                known = replayed.get(told["stream"])
                seen, by = seen_of(told) if known is not None else None, told["by"]
            except (KeyError, TypeError, ValueError) as error:
                raise self.refused(number, error) from None
            yield from joins.join((), ended)
            if known is not None and seen is not None:
                yield from joins.join([Sighted(told["stream"], seen.seq, seen.time, seen.ids)], known.see(seen, by))
        if not self.cut_off:  # else the run was killed: nothing ended that anybody has been told of
            for own in replayed.values():
                yield from joins.join((), own.end())

    def _begun(self, head: Mapping[str, Any], pipeline: Pipeline | None) -> dict[str, _Stream]:
        """The rules of each stream as a run begins with them."""
        configs = _recorded(head, self.path) if pipeline is None else _given(pipeline)
        return {stream: _Stream(stream, config) for stream, config in configs.items()}


class _Stream:
    """The rules of one stream, held against its results."""

    def __init__(self, stream: str, config: RulesConfig) -> None:
        self._stream = stream
        self._rules = Rules()
        self._rules.id, self._rules.config = RULES, config
        self._rules.begin()
        self._by = ""  # who gave the newest answer

    def turn(self, change: Mapping[str, Any], *, recorded: bool) -> list[Event]:
        """A change of settings comes into force with the next result; what ends with it.

        Args:
            recorded: whether rules are those of the run, and change with it.
        """
        ended = self.end() if change.get("anew") else []
        if recorded and RULES in change["changes"]:
            self._rules.config = RulesConfig.model_validate(change["changes"][RULES])
        if change.get("anew"):
            self._rules.begin()
        return ended

    def see(self, seen: Seen, by: str) -> list[Event]:
        """What happens with the next result, and the stage that answered it."""
        self._by = by
        self._rules.see(seen, self._stream)
        return self._taken()

    def end(self) -> list[Event]:
        """What ends with the stream."""
        self._rules.end(self._stream)
        return self._taken()

    def _taken(self) -> list[Event]:
        events = self._rules.take_events()
        return [replace(event, by=self._by) for event in events] if events else events


def _turned(replayed: dict[str, _Stream], told: Mapping[str, Any], *, recorded: bool) -> Iterator[Event]:
    """The changes of settings that a line tells come into force; what ends with them."""
    stream = told["stream"]
    for change in told["settings"]:
        if recorded and stream not in replayed and RULES in change["changes"]:
            replayed[stream] = _Stream(stream, RulesConfig())
        if stream in replayed:
            yield from replayed[stream].turn(change, recorded=recorded)


def _given(pipeline: Pipeline) -> dict[str, RulesConfig]:
    """The rules of a pipeline, by stream."""
    found = {name: stream.configs.get(RULES) for name, stream in pipeline.streams.items()}
    return {name: config for name, config in found.items() if isinstance(config, RulesConfig)}


def _recorded(head: Mapping[str, Any], path: Path) -> dict[str, RulesConfig]:
    """The rules that a run began with, by stream."""
    try:
        written = {name: stream.get("stages", {}).get(RULES) for name, stream in head["streams"].items()}
        return {name: RulesConfig.model_validate(rules) for name, rules in written.items() if rules is not None}
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"results {path}: the first line does not say which rules the run had ({type(error).__name__}): give the "
            "pipeline and --config"
        ) from None


def seen_of(line: Mapping[str, Any]) -> Seen:
    """A line of a results file as rules see it; raises KeyError, TypeError or ValueError where it is none."""
    found = line["detections"]
    audits = [Audit(each["stage"], each["missed"], each["false"]) for each in line.get("audits", ())]
    width, height = line["size"] or (0, 0)
    found = found if width else []
    return Seen(
        line["seq"],
        line["pts"],
        line["captured_at"],
        line["as_of"],
        width,
        height,
        [box["xyxy"] for box in found],
        [1.0 if box["score"] is None else box["score"] for box in found],
        [box["class"] for box in found],
        [-1 if box["track_id"] is None else box["track_id"] for box in found],
        audits,
        line["knobs"],
        line.get("model"),
        line.get("degraded", ""),
        [read(each) for each in line.get("corrections", ())],
        line.get("features", {}),
    )
