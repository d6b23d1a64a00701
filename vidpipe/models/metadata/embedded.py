"""What can be read in a model's file: what Ultralytics writes into those that it exports (classes, input size, task),
and the shape of the input.

An OpenVINO folder has Ultralytics' words as `metadata.yaml`, ONNX as metadata_props, TFLite as a zip behind the
network. All are read without the runtimes, since a check of a pipeline must not take seconds.
"""

from __future__ import annotations

import ast
import io
import math
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree import ElementTree

import yaml

_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TRIES = 5


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


def input_size(file: Path) -> tuple[int, int] | None:
    """(height, width) of the one picture that a network in IR or ONNX takes; None where its file does not tell."""
    try:
        if file.suffix == ".xml":
            shapes = list(_ir_inputs(file))
        elif file.suffix == ".onnx":
            with file.open("rb") as stream:
                shapes = list(_onnx_inputs(stream))
        else:
            return None
    except (OSError, ValueError, ElementTree.ParseError):
        return None
    if len(shapes) != 1 or len(shapes[0]) != 4:
        return None
    _, *sides = shapes[0]
    height, width = sides[:2] if sides[2] == 3 else sides[1:]
    return (height, width) if height > 0 and width > 0 else None


def _ir_inputs(file: Path) -> Iterator[list[int]]:
    """The shapes of a network's inputs; a side that may be any is -1."""
    for _, layer in ElementTree.iterparse(file):
        if layer.tag == "layer":
            data = layer.find("data")
            if layer.get("type") == "Parameter" and data is not None:
                yield [int(side) if side.isdigit() else -1 for side in data.get("shape", "").split(",")]
            layer.clear()


def _onnx_inputs(stream: BinaryIO) -> Iterator[list[int]]:
    """The same: `ModelProto.graph` (7), its `input` (11) and `initializer` (5), which older files list as inputs."""
    for field, _, end in _spans(stream):
        if field != 7:
            continue
        inputs: dict[bytes, list[int]] = {}
        weights: set[bytes] = set()
        for inner, start, inner_end in _spans(stream, end):
            if inner == 11:
                stream.seek(start)
                name, shape = _onnx_value(stream.read(inner_end - start))
                inputs[name] = shape
            elif inner == 5:
                weights.update(stream.read(till - at) for part, at, till in _spans(stream, inner_end) if part == 8)
        yield from (shape for name, shape in inputs.items() if name not in weights)


def _onnx_value(message: bytes) -> tuple[bytes, list[int]]:
    """Name and shape of a `ValueInfoProto`: type (2), tensor_type (1), shape (2), dim (1), dim_value (1)."""
    value = dict(_fields(io.BytesIO(message), wanted=None))
    tensor = dict(
        _fields(io.BytesIO(dict(_fields(io.BytesIO(value.get(2, b"")), wanted=None)).get(1, b"")), wanted=None)
    )
    sides = [side for field, side in _fields(io.BytesIO(tensor.get(2, b"")), wanted=1) if field == 1]
    return value.get(1, b""), [_first_number(side) for side in sides]


def _first_number(message: bytes) -> int:
    stream = io.BytesIO(message)
    number = _varint(stream) == 1 << 3 and _varint(stream)
    return number or -1


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
                found[key] = _literal(properties[key])
            except (ValueError, SyntaxError):
                del found[key]
    return found


def _literal(text: str) -> Any:
    for _ in range(_TRIES):
        with suppress(SystemError):  # Python 3.11, where another thread parses at the same moment
            return ast.literal_eval(text)
    raise ValueError("it cannot be parsed")


def _onnx_properties(file: Path) -> Iterator[tuple[str, str]]:
    """`ModelProto.metadata_props` (field 14): a walk over the outermost fields that seeks past the graph."""
    with file.open("rb") as stream:
        for field, payload in _fields(stream, wanted=14):
            if field == 14:
                entry = dict(_fields(io.BytesIO(payload), wanted=None))
                yield entry.get(1, b"").decode(errors="replace"), entry.get(2, b"").decode(errors="replace")


def _fields(stream: BinaryIO, wanted: int | None) -> Iterator[tuple[int, bytes]]:
    """Length-delimited fields of a protobuf message; ends quietly where the message is broken."""
    for field, start, end in _spans(stream):
        if wanted in (None, field):
            yield field, stream.read(end - start)


def _spans(stream: BinaryIO, until: float = math.inf) -> Iterator[tuple[int, int, int]]:
    """The same: their numbers, where each begins, and its end. The stream stands at the beginning of the one that is
    given."""
    while stream.tell() < until and (tag := _varint(stream)) is not None:
        field, wire = tag >> 3, tag & 7
        if wire == 0:
            _varint(stream)
        elif wire in (1, 5):
            stream.seek(8 if wire == 1 else 4, 1)
        elif wire == 2 and (length := _varint(stream)) is not None:
            start = stream.tell()
            yield field, start, start + length
            stream.seek(start + length)
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
