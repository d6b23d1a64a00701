"""Networks that were quantised to int8 on a stream's own frames; each made whole, then moved into its place.

FOLDER/NAME-DIGEST/network.xml, network.bin   of a model's file and the size of its input, which DIGEST tells
FOLDER/NAME-DIGEST/made.json                  from what, of how many frames, and what the two files must be
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from glob import escape
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vidpipe.core.errors import ModelError, RunError
from vidpipe.models.stores.download import sha256_of
from vidpipe.models.stores.paths import with_weights

_NETWORK, _MADE = "network.xml", "made.json"
_FORMAT = 1
_DIGITS = 16  # of a digest, in the name of a folder


class Made(BaseModel):
    """What a quantised network is made of, and what it is.

    Attributes:
        original: tells the model's file and the size of its input from all others.
        frames: that it was calibrated on.
        files: SHA-256 of each, by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = _FORMAT
    original: str
    made_at: str
    frames: int = Field(ge=1)
    files: Mapping[str, str]


def digest_of(original: Path, size: tuple[int, int] | None) -> str:
    """Tells a model's file, with its weights, at a size of its input from all others."""
    digest = hashlib.sha256(repr(size).encode())
    for file in with_weights(original):
        digest.update(bytes.fromhex(sha256_of(file)))
    return digest.hexdigest()


def find(folder: Path, original: Path, size: tuple[int, int] | None) -> Path:
    """The quantised network (.xml) of a model in a folder.

    Args:
        original: the model's own file.
        size: (height, width) of its input, as the pipeline or the catalogue says; None: the file's own.

    Raises:
        ModelError: there is none, or it is damaged, or made of something else.
    """
    digest = digest_of(original, size)
    place = _place(folder, original, digest)
    if not place.is_dir():
        others = any(folder.glob(f"{escape(original.stem)}-{'[0-9a-f]' * _DIGITS}"))
        there = ", only of another file of that name, or for another size" if others else ""
        at = f" at {size[0]} x {size[1]}" if size else ""
        raise ModelError(f"model {original}: no int8 network of it{at} in {folder}{there}: `vidpipe tune` makes one")
    if why := _fault(place, digest):
        raise ModelError(f"model {original}: its int8 network {place} {why}: `vidpipe tune` makes it anew")
    return place / _NETWORK


def keep(folder: Path, original: Path, size: tuple[int, int] | None, frames: int, save: Callable[[Path], None]) -> Path:
    """Keep a quantised network, in place of one that is damaged; gives its .xml.

    Args:
        save: writes the network as this .xml, with a .bin beside it.

    Raises:
        RunError: the folder cannot be written.
    """
    digest = digest_of(original, size)
    place = _place(folder, original, digest)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            save(made / _NETWORK)
            files = {file.name: sha256_of(file) for file in sorted(made.iterdir())}
            now = datetime.now(UTC).isoformat(timespec="seconds")
            told = Made(original=digest, made_at=now, frames=frames, files=files)
            (made / _MADE).write_text(told.model_dump_json(indent=2) + "\n", encoding="utf-8")
            if place.exists():
                place.rename(Path(scratch) / "old")
            made.rename(place)
    except OSError as error:
        raise RunError(f"int8 network {place} cannot be written: {error.strerror}") from None
    return place / _NETWORK


def _place(folder: Path, original: Path, digest: str) -> Path:
    return folder / f"{original.stem}-{digest[:_DIGITS]}"


def _fault(place: Path, digest: str) -> str:
    """What is wrong with a folder; empty: nothing."""
    try:
        made = Made.model_validate_json((place / _MADE).read_text(encoding="utf-8"))
        found = {name: sha256_of(place / name) for name in made.files}
    except (OSError, UnicodeDecodeError, ValidationError):
        return "is damaged or not whole"
    if made.format != _FORMAT:
        return f"is of format {made.format}, this vidpipe reads {_FORMAT}"
    if made.original != digest:
        return "was made of another network"
    return "" if found == made.files else "is damaged: its files are not what was written"
