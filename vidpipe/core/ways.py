"""The ways between cameras as a file: what a camera graph knows well enough to say that two alarms are one person's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from vidpipe.core.errors import ConfigError
from vidpipe.core.files import write_whole

SCHEMA: Literal["vidpipe.ways/1"] = "vidpipe.ways/1"
CLEARLY = 0.02
"""More alike, in cosine, than the next one: with less it may be either."""

_LARGEST = 2**20  # bytes: a hundred cameras have no more ways than that
_FORM = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Way(BaseModel):
    """A way from a camera to another one, and the seconds between which it takes; see `across.graph.Path`."""

    model_config = _FORM

    begin: str = Field(alias="from")
    end: str = Field(alias="to")
    earliest_s: float
    latest_s: float


class Ways(BaseModel):
    """What `vidpipe cameras graph --ways` writes.

    Attributes:
        likeness: least cosine at which two tracks are of the same subject.
        ahead_s: by camera, seconds that its clock is ahead.
    """

    model_config = _FORM

    schema_: Literal["vidpipe.ways/1"] = Field(default=SCHEMA, alias="schema")
    likeness: float = Field(gt=-1, le=1)
    ahead_s: Mapping[str, float] = {}
    ways: tuple[Way, ...] = Field(min_length=1)

    def between(self, begin: str, end: str) -> Way | None:
        """The way from a camera to another one; None: none is known."""
        return next((way for way in self.ways if way.begin == begin and way.end == end), None)

    def write(self, path: Path) -> None:
        """Write it as JSON. Raises RunError."""
        write_whole(path, json.dumps(self.model_dump(mode="json", by_alias=True), indent=1) + "\n", "ways")

    @classmethod
    def read(cls, path: Path) -> Ways:
        """Read what `write` wrote. Raises ConfigError: it cannot be read, or is no such file."""
        try:
            if path.stat().st_size > _LARGEST:
                raise ConfigError(f"ways {path} is no file of `vidpipe cameras graph --ways`: it is too large")
            return cls.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            why = f"cannot be read: {error.strerror}: `vidpipe cameras graph --ways {path}` makes it"
            raise ConfigError(f"ways {path} {why}") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            why = f"{where}: {first['msg']}" if where else first["msg"]
            raise ConfigError(f"ways {path} is no file of `vidpipe cameras graph --ways`: {why}") from None
        except ValueError:
            raise ConfigError(f"ways {path} is no file of `vidpipe cameras graph --ways`: it is no JSON") from None


def _read(written: Any) -> Any:
    """What a rule has as its ways: the file that it names, or what was in it."""
    if not isinstance(written, str):
        return written
    try:
        return Ways.read(Path(written))
    except ConfigError as error:
        raise ValueError(str(error)) from None


WrittenWays = Annotated[Ways, BeforeValidator(_read), WithJsonSchema({"type": ["string", "object"], "format": "path"})]
"""Ways in settings: written as the path of their file, and held whole from then on, so that results say which they were
and a replay needs no file.
"""
