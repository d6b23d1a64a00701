"""What Ultralytics writes into the files that it exports: classes, input size, task.

An OpenVINO folder has it as `metadata.yaml`, ONNX as metadata_props, TFLite as a zip behind the network. All are read
without the runtimes, since a check of a pipeline must not take seconds.
"""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import yaml

_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(file: Path) -> dict[str, Any]:
    """The metadata of a model file; empty where Ultralytics did not write it or the file is damaged."""
    if file.suffix == ".xml":
        beside = file.parent / "metadata.yaml"
        return _mapping(beside.read_text()) if beside.is_file() else {}
    if file.suffix == ".onnx":
        return _literals(dict(_onnx_properties(file)))
    if file.suffix == ".tflite" and zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            first = archive.namelist()[:1]
            return _mapping(archive.read(first[0]).decode(errors="replace")) if first else {}
    return {}


def _mapping(text: str) -> dict[str, Any]:
    # Python's repr of a dict (older exports) and JSON are both YAML's flow style.
    try:
        found = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def _literals(properties: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = dict(properties)
    for key in ("names", "imgsz"):
        if key in properties:
            try:
                found[key] = ast.literal_eval(properties[key])
            except (ValueError, SyntaxError):
                del found[key]
    return found


def _onnx_properties(file: Path) -> Iterator[tuple[str, str]]:
    """`ModelProto.metadata_props` (field 14): a walk over the outermost fields that seeks past the graph."""
    with file.open("rb") as stream:
        for field, payload in _fields(stream, wanted=14):
            if field == 14:
                import io

                entry = dict(_fields(io.BytesIO(payload), wanted=None))
                yield entry.get(1, b"").decode(errors="replace"), entry.get(2, b"").decode(errors="replace")


def _fields(stream: BinaryIO, wanted: int | None) -> Iterator[tuple[int, bytes]]:
    """Length-delimited fields of a protobuf message; ends quietly where the message is broken."""
    while (tag := _varint(stream)) is not None:
        field, wire = tag >> 3, tag & 7
        if wire == 0:
            _varint(stream)
        elif wire in (1, 5):
            stream.seek(8 if wire == 1 else 4, 1)
        elif wire == 2 and (length := _varint(stream)) is not None:
            if wanted in (None, field):
                yield field, stream.read(length)
            else:
                stream.seek(length, 1)
        else:
            return


def _varint(stream: BinaryIO) -> int | None:
    value = shift = 0
    while byte := stream.read(1):
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
        shift += 7
        if shift > 63:
            return None
    return None
