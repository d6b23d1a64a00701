"""The contract of a source of the user's own: pictures from wherever, as plain arrays."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict

from vidpipe.core.extensions import target_of
from vidpipe.core.frame import Image
from vidpipe.core.registry import SOURCES


class Shot(NamedTuple):
    """One picture of a source.

    Attributes:
        pts: media seconds; they only grow.
        pixels: uint8 BGR [h, w, 3]; None for a picture that is missing.
        captured_at: UTC seconds, or None where that is not known.
    """

    pts: float
    pixels: Image | None
    captured_at: float | None = None


class SourceConfig(BaseModel):
    """Base of a source's settings: frozen; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PictureSource:
    """Base class of a user's sources: `url: "module:Class"` in a stream, or `--source NAME=module:Class`.

    Attributes:
        live: whether pictures come at their own pace: then no picture waits for an answer, and the newest win.
        config: its settings: `settings` of the stream.
        name: of the stream.
    """

    live: ClassVar[bool] = False
    Config: ClassVar[type[SourceConfig]] = SourceConfig

    config: Any = SourceConfig()
    name: str = ""

    def pictures(self) -> Iterator[Shot]:
        """All pictures in order, from the first one on; called once, in a thread of the stream's own.

        What it raises ends the stream, with that message. After a restart in mid-stream it is called again, and what
        was answered before is left out.
        """
        raise TypeError(f"{type(self).__name__} has no method `pictures`: a source must say which pictures it has")

    def close(self) -> None:
        """Release what was opened; from any thread, also while `pictures` waits."""


def is_own(url: str) -> bool:
    """Whether an address names a class, by "module:Class" or by the name of an installed package's entry point."""
    # Asking the packages takes some milliseconds: not for what is an address, or lies on disk.
    return "/" not in url and not Path(url).exists() and target_of(SOURCES.group, url) is not None


@lru_cache
def own_class(url: str) -> type[PictureSource]:
    """The class that an address names; raises ConfigError."""
    found: type[PictureSource] = SOURCES.find(url)
    return found
