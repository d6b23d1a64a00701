"""The settings that a frame is treated with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


class StageConfig(BaseModel):
    """Base of every stage's settings: frozen; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    whole: ClassVar[bool] = False
    """Whether its settings name each other: a configuration that is read again changes all of them, or none."""

    @property
    def wants_motion(self) -> bool:
        """Whether a stage with these settings asks frames for their `motion`: only then do decoders export vectors.

        Asked when a stream is opened; settings that want them later find none.
        """
        return False

    def loosened(self) -> Mapping[str, Any]:
        """New values of knobs under which a stage leaves a little more to the stages below; empty: it has no such step.

        One step of what a user does who sees that its answers miss something.
        """
        return {}


C = TypeVar("C", bound=StageConfig)


def with_values(config: C, values: Mapping[str, Any]) -> C:
    """The same settings with other values for some; raises pydantic's ValidationError.

    What nobody has set stays unset: a default may depend on other settings.
    """
    kept = {name: getattr(config, name) for name in config.model_fields_set}
    return type(config).model_validate(kept | dict(values))


def closer_to_one(share: float) -> float:
    """A share that leaves three quarters of the room to 1 that this one leaves."""
    return round(1 - 0.75 * (1 - share), 4)


def share_loosened(field: str, share: float | None) -> Mapping[str, float]:
    """A share of settings one step closer to 1; empty where it is not set, or is there already."""
    return {} if share is None or share >= 0.9995 else {field: closer_to_one(share)}


ModelName = Annotated[str, Field(json_schema_extra={"names": "model"}, description="a model of the pipeline")]


ClassName = Annotated[str, Field(json_schema_extra={"names": "class"}, description="a class of the pipeline")]


def Knob(default: Any, **field: Any) -> Any:
    """A field of a `StageConfig` that may change while the pipeline runs; other fields are fixed at `open`."""
    return Field(default, json_schema_extra={"knob": True}, **field)


def is_knob(field: FieldInfo) -> bool:
    """Whether a field was declared with `Knob`."""
    return isinstance(field.json_schema_extra, dict) and bool(field.json_schema_extra.get("knob"))


@dataclass(frozen=True, slots=True)
class Knobs:
    """One version of all stages' settings for one stream.

    Attributes:
        version: number of the epoch; every result has it.
        stages: the configuration in force, by stage id.
    """

    version: int = 0
    stages: Mapping[str, StageConfig] = field(default_factory=dict)

    @property
    def want_motion(self) -> bool:
        """Whether a stage asks for the vectors of the codec."""
        return any(config.wants_motion for config in self.stages.values())
