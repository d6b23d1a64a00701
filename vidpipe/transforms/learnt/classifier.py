"""A classifier of one event as a file: what it goes by, its weights, and what it was found to be worth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator

from vidpipe.core.errors import ConfigError
from vidpipe.core.files import write_whole
from vidpipe.transforms.learnt import boxes
from vidpipe.transforms.learnt.window import PARTS

SCHEMA: Literal["vidpipe.event-classifier/1"] = "vidpipe.event-classifier/1"
BOXES = "boxes"
"""Name of the features that are made of published boxes; those of a stage or transform have its id."""

_LARGEST = 8 * 2**20  # bytes: no classifier is nearly as large
_MOST_NUMBERS = 100_000
_LEAST_LOOKS = 4  # in a window of time that a person is asked about
_DIGITS = 12  # of a version
_FARTHEST = 6.0  # standard deviations


@dataclass(frozen=True, slots=True)
class Scorer:
    """Log-odds of windows, by weights over standardised features."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: float

    def scores(self, windows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of windows [..., features], [...]."""
        return np.asarray(self.standard(windows) @ self.weights + self.bias)

    def standard(self, windows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardised; what is farther off than any example can teach counts as if it were at the edge."""
        return np.minimum(np.maximum((windows - self.mean) / self.scale, -_FARTHEST), _FARTHEST)


class Input(BaseModel):
    """Features that a classifier goes by.

    Attributes:
        name: `boxes`, or the id of the stage or transform that computes them.
        size: how many numbers they are at a time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    size: int = Field(ge=1, le=_MOST_NUMBERS)


class EventClassifier(BaseModel):
    """Logistic regression over a window of features; frozen, and the same wherever it is read.

    Attributes:
        event: what it tells of.
        inputs: in the order of `weights`.
        classes: of boxes that it goes by, in that order.
        window_s, step_s: media seconds that it looks back, and from one look to the next.
        hold_s: how old features may be, in media seconds, before nothing is known.
        k, n: so many of the last n looks must say so before the event begins, or ends.
        begin, end: log-odds from which on a look says yes, and under which it says no; `end` <= `begin`.
        mean, scale, weights: of each feature of the window, [sum of sizes * 3].
        bias: log-odds of a window that is as the mean.
        figures: what the held-back examples have shown.
        taught: how many examples it is made of, and their hash.
        sha256: of all that stands above.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_: Literal["vidpipe.event-classifier/1"] = Field(default=SCHEMA, alias="schema")
    event: str = Field(min_length=1, max_length=200)
    inputs: tuple[Input, ...] = Field(min_length=1)
    classes: tuple[str, ...] = ()
    window_s: float = Field(gt=0, le=600)
    step_s: float = Field(gt=0, le=60)
    hold_s: float = Field(gt=0, le=3600)
    k: int = Field(ge=1, le=100)
    n: int = Field(ge=1, le=100)
    begin: float
    end: float
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    figures: Mapping[str, Any] = {}
    taught: Mapping[str, Any] = {}
    sha256: str = ""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        size = PARTS * sum(each.size for each in self.inputs)
        if not len(self.mean) == len(self.scale) == len(self.weights) == size:
            raise ValueError(f"mean, scale and weights must be {size} numbers each")
        numbers = np.array([*self.mean, *self.scale, *self.weights, self.bias, self.begin, self.end])
        if not np.isfinite(numbers).all() or min(self.scale) <= 0:
            raise ValueError("a weight, mean or threshold is no finite number, or a scale is not above 0")
        if self.k > self.n or self.end > self.begin:
            raise ValueError("k must not be above n, nor `end` above `begin`")
        own = next((each.size for each in self.inputs if each.name == BOXES), None)
        if own is not None and own != boxes.size_of(len(self.classes)):
            raise ValueError(f"boxes of {len(self.classes)} classes are {boxes.size_of(len(self.classes))} features")
        if self.sha256 and self.sha256 != self.digest():
            raise ValueError("its hash is not that of its content: it was changed, or is damaged")
        return self

    def digest(self) -> str:
        """SHA-256 of all but the hash itself."""
        told = self.model_dump(mode="json", by_alias=True, exclude={"sha256"})
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    @property
    def version(self) -> str:
        """The beginning of its hash: tells it from what the same event was before it was taught anew."""
        return (self.sha256 or self.digest())[:_DIGITS]

    def sealed(self) -> EventClassifier:
        """The same with its hash."""
        return self.model_copy(update={"sha256": self.digest()})

    def write(self, path: Path) -> None:
        """Write it as JSON. Raises RunError."""
        told = self.sealed().model_dump(mode="json", by_alias=True)
        write_whole(path, json.dumps(told, indent=1) + "\n", "event")

    @classmethod
    def read(cls, path: Path) -> EventClassifier:
        """Read what `write` wrote.

        Raises:
            ConfigError: it cannot be read, or is no such file.
        """
        try:
            if path.stat().st_size > _LARGEST:
                raise ConfigError(f"event {path} is no file of `vidpipe teach`: it is too large")
            told = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"event {path} cannot be read: {error.strerror}: `vidpipe teach` makes it") from None
        except ValueError:
            raise ConfigError(f"event {path} is no file of `vidpipe teach`: it is no JSON") from None
        schema = told.get("schema") if isinstance(told, dict) else None
        if schema != SCHEMA:
            newer = isinstance(schema, str) and schema.startswith(SCHEMA.rpartition("/")[0])
            why = (
                f"it is `{schema}`, this vidpipe reads `{SCHEMA}`: teach it again" if newer else "it has no such schema"
            )
            raise ConfigError(f"event {path} is no file of `vidpipe teach`: {why}")
        if not told.get("sha256"):
            raise ConfigError(f"event {path} has no hash: teach it again")
        try:
            return cls.model_validate(told)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            why = first["msg"].removeprefix("Value error, ")
            raise ConfigError(f"event {path}: {where + ': ' if where else ''}{why}") from None

    @property
    def told_late_s(self) -> float:
        """The longest time after its beginning at which something of it is told: of a quiet window, at its end."""
        return max(self.n * self.step_s, self.quiet_s + self.step_s)

    @property
    def quiet_s(self) -> float:
        """Length of the windows of time in which nothing is told, of which a share is asked about; media seconds."""
        return max(self.window_s, _LEAST_LOOKS * self.step_s)

    @property
    def scorer(self) -> Scorer:
        """What scores windows by it."""
        return Scorer(np.array(self.mean), np.array(self.scale), np.array(self.weights), self.bias)


def _read(written: Any) -> Any:
    """What a rule has as its event: the file that it names, or what was in it."""
    if not isinstance(written, str):
        return written
    try:
        return EventClassifier.read(Path(written))
    except ConfigError as error:
        raise ValueError(str(error)) from None


WrittenClassifier = Annotated[
    EventClassifier, BeforeValidator(_read), WithJsonSchema({"type": ["string", "object"], "format": "path"})
]
"""A classifier in settings: written as the path of its file, and held whole from then on, so that a run depends on no
file, and results hold all that a replay needs."""
