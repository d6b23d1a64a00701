"""The folder of an archive: what it is made under, and what of it is done. A file that is there is whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vidpipe.archive.chunks import Chunk
from vidpipe.archive.index import Identity, Index
from vidpipe.core.errors import ConfigError, ModelError
from vidpipe.core.files import claim, make_folder, write_whole

SCHEMA = "vidpipe.archive/1"
_SHOWN = 5  # differences that a message names


class Folder:
    """The files of an archive, for one process at a time.

        NAME.jsonl        results of a recording, joined      report.json, events.jsonl   of all
        work/archive.json what it is made under               work/index/NAME.npz
        work/chunks/NAME/DIGEST/BEGIN.chunk                   answers of a chunk; DIGEST: of the recording and settings

    Attributes:
        start: when it was begun, as the first line of its results has it.

    Raises:
        ConfigError: it cannot be written, another process works on it, or it was begun under something else.
    """

    def __init__(self, path: Path, told: Mapping[str, Any], start: str) -> None:
        """Begin it, or go on with it.

        Args:
            told: what answers depend on, as JSON can hold it: two archives with the same have the same answers.
            start: of one that begins now.
        """
        self.path = path
        self._work = make_folder(path) / "work"
        make_folder(self._work)
        self._held = claim(self._work / "lock", "archive", make=True)
        try:
            self.start = self._begun(json.loads(json.dumps(told)), start)
        except BaseException:
            self.close()
            raise
        make_folder(self._work / "index")

    def close(self) -> None:
        """Let others go on with it."""
        if self._held is not None:
            os.close(self._held)
        self._held = None

    def results(self, name: str) -> Path:
        """Where the joined results of a recording go."""
        return self.path / f"{name}.jsonl"

    def index(self, name: str, identity: Identity) -> Index | None:
        """The index of a recording as it is now; None: there is none."""
        try:
            index = Index.read(self._index_file(name))
        except ModelError:
            return None
        return index if index.identity == identity else None

    def write_index(self, name: str, index: Index) -> None:
        """Raises RunError."""
        index.write(self._index_file(name))

    def chunk(self, name: str, digest: str, chunk: Chunk) -> Path:
        """Where the answers of a chunk are, once they are there."""
        return self._chunks(name) / digest / f"{chunk.begin:09d}.chunk"

    def write_chunk(self, name: str, digest: str, chunk: Chunk, answers: bytes) -> None:
        """Raises RunError."""
        file = self.chunk(name, digest, chunk)
        make_folder(file.parent)
        write_whole(file, answers, "chunk")

    def forget_others(self, name: str, digest: str) -> None:
        """Delete chunks of a recording that has changed since, or is cut otherwise now."""
        folder = self._chunks(name)
        for other in list(folder.iterdir()) if folder.is_dir() else []:
            if other.name != digest:
                shutil.rmtree(other, ignore_errors=True)

    @property
    def worked_s(self) -> float:
        """Seconds that were worked on it so far, but for the last moments of one that was killed."""
        try:
            return float((self._work / "worked_s").read_text())
        except (OSError, ValueError):
            return 0.0

    @worked_s.setter
    def worked_s(self, seconds: float) -> None:
        write_whole(self._work / "worked_s", f"{seconds:.3f}\n", "archive")

    def _index_file(self, name: str) -> Path:
        return self._work / "index" / f"{name}.npz"

    def _chunks(self, name: str) -> Path:
        return self._work / "chunks" / name

    def _begun(self, told: Mapping[str, Any], start: str) -> str:
        file = self._work / "archive.json"
        try:
            before = json.loads(file.read_text())
        except FileNotFoundError:
            write_whole(file, json.dumps({"schema": SCHEMA, "start": start, "told": told}, indent=1) + "\n", "archive")
            return start
        except (OSError, ValueError) as error:
            raise ConfigError(f"archive {file} cannot be read ({error}): choose another --out") from None
        if before.get("schema") != SCHEMA:
            raise ConfigError(f"archive {file} is not of this vidpipe ({before.get('schema')}): choose another --out")
        if different := list(_differences(before["told"], told)):
            more = f" and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
            raise ConfigError(
                f"{self.path} was begun under other settings: {'; '.join(different[:_SHOWN])}{more}; its answers would "
                "not fit to these: choose another --out, or take the settings back"
            )
        return str(before["start"])


def _differences(before: Any, now: Any, place: str = "") -> Iterator[str]:
    """What is not the same in two documents, each with its place."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in sorted({*before, *now}):
            yield from _differences(before.get(name), now.get(name), f"{place}.{name}" if place else name)
    elif before != now:
        yield f"{place} was {json.dumps(before)} and is {json.dumps(now)}"
