"""What Home Assistant may change of a stream: each a switch or a list to choose from, with the texts that it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal, NamedTuple

from vidpipe.core.names import references
from vidpipe.core.settings import StageConfig, is_knob
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.sinks.base import ControlledRun
from vidpipe.results.sinks.mqtt.home_assistant.spec import id_of
from vidpipe.transforms.rules.rules import RULES
from vidpipe.transforms.rules.spec import RulesConfig

ON, OFF = "ON", "OFF"
_BY, _REASON = "mqtt", "Home Assistant"


class Control(NamedTuple):
    """A switch or select.

    Attributes:
        key: tells it from all else of the device.
        options: the only texts that it takes.
        now: which of them is in force, given the state of the stream.
        choose: puts one of them in force; raises VidpipeError.
    """

    key: str
    platform: Literal["switch", "select"]
    name: str
    options: Sequence[str]
    now: Callable[[str], str]
    choose: Callable[[ControlledRun, str], object]


def controls_of(pipeline: Pipeline, stream: str, floors: Sequence[float]) -> Iterator[Control]:
    """The controls of a stream.

    Args:
        floors: that may be asked, of a stream that has one.
    """
    yield Control("running", "switch", "running", (ON, OFF), _runs, partial(_run, stream))
    rules = rules_of(pipeline, stream)
    for rule in rules.rules:
        now = partial(_as_set, OFF if rule.id in rules.off else ON)
        key = f"rule-{id_of(rule.id)}"
        yield Control(key, "switch", f"rule {rule.id}", (ON, OFF), now, partial(_switch, stream, rule.id))
    for stage in pipeline.stages:
        config = pipeline.streams[stream].configs.get(stage.id, stage.config)
        for field, model in _model_knobs(config):
            key, name = f"model-{stage.id}-{field}", f"{field} of {stage.id}"
            choose = partial(_set, stream, stage.id, field)
            if len(pipeline.models) > 1:
                yield Control(key, "select", name, tuple(pipeline.models), partial(_as_set, model), choose)
    if (floor := pipeline.streams[stream].spec.floor) is not None:
        options = tuple(f"{each:g}" for each in sorted({*floors, floor}))
        yield Control("floor", "select", "floor", options, partial(_as_set, f"{floor:g}"), partial(_ask_floor, stream))


def rules_of(pipeline: Pipeline, stream: str) -> RulesConfig:
    """The rules that hold on a stream."""
    config = pipeline.streams[stream].configs.get(RULES)
    return config if isinstance(config, RulesConfig) else RulesConfig()


def _model_knobs(config: StageConfig) -> Iterator[tuple[str, str]]:
    """Settings that name a model and may change while the run goes on, with the model that they name."""
    for place, model in references(config, "model"):
        field = str(place[0])
        if len(place) == 1 and is_knob(type(config).model_fields[field]):
            yield field, model


def _runs(state: str) -> str:
    return OFF if state == "paused" else ON


def _as_set(text: str, _state: str) -> str:
    return text


def _run(stream: str, run: ControlledRun, text: str) -> None:
    if text == ON:
        run.resume(stream, reason=f"{_REASON}: {stream} is switched on", by=_BY)
    else:
        run.pause(stream)


def _switch(stream: str, rule: str, run: ControlledRun, text: str) -> None:
    off = [each for each in rules_of(run.pipeline, stream).off if each != rule]
    if text == OFF:
        off.append(rule)
    _set(stream, RULES, "off", run, off)


def _set(stream: str, stage: str, field: str, run: ControlledRun, value: object) -> None:
    run.apply(stages={stage: {field: value}}, streams=[stream], reason=_REASON, by=_BY)


def _ask_floor(stream: str, run: ControlledRun, text: str) -> None:
    run.ask_floor(stream, float(text))
