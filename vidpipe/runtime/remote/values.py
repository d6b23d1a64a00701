"""Plain values, arrays and the few records of vidpipe's own as bytes, by an explicit schema: nothing that runs code.

MessagePack, with extension types for what it has not: tuples, arrays, and the records named in `_RECORDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import msgpack
import numpy as np
from numpy.typing import NDArray

from vidpipe.cascade.audit import Audit
from vidpipe.cascade.cascade import Away
from vidpipe.core.answer import Answer, How
from vidpipe.runtime.shadow.ask import Reply
from vidpipe.stages.detect.acceptance import Decision
from vidpipe.stages.detect.low_confidence import LowConfidenceBoxes
from vidpipe.statistics.agreement import Matched

_TUPLE, _ARRAY, _TEXTS, _SCALAR, _RECORD = range(1, 6)
_DEEPEST = 32  # an answer in a feature in a frame is 4
_KINDS = "biufcUS"  # of arrays: numbers, and texts of a fixed length


class CannotCrossError(TypeError):
    """A value of a kind that no message can hold."""


class MalformedError(ValueError):
    """Bytes that are no message, or not one that this side may be sent."""


_Fields = Mapping[str, Any]  # what isinstance takes, by name


class _Record(NamedTuple):
    """A kind of record.

    Attributes:
        fields: of which it is made again, in order, each with what it must be.
        make: makes one of these.
    """

    name: str
    fields: _Fields
    make: Callable[..., Any]


def pack(value: Any) -> bytes:
    """The bytes of a value; raises CannotCrossError where it holds what cannot cross."""
    try:
        return bytes(msgpack.packb(value, default=_extended, strict_types=True, use_bin_type=True))
    except (OverflowError, ValueError) as error:  # of numbers and nesting beyond what the format has
        raise CannotCrossError(str(error)) from None


def unpack(body: bytes | bytearray | memoryview) -> Any:
    """The value again; arrays are copies of their own. Raises MalformedError, whatever the bytes are."""
    return _unpack(body, _DEEPEST)


def _unpack(body: bytes | bytearray | memoryview, deeper: int) -> Any:
    """Extensions lie in each other no deeper than that: the stack of C would overflow, and end the process."""
    if not deeper:
        raise MalformedError("no message: nested too deep")
    try:
        return msgpack.unpackb(body, ext_hook=partial(_made, deeper - 1), raw=False, strict_map_key=False)
    except MalformedError:
        raise
    except Exception as error:  # nearly anything, of what somebody made to be misread
        raise MalformedError(f"no message: {type(error).__name__}") from None


def view(array: NDArray[Any]) -> memoryview:
    """The bytes of an array of numbers, to be packed without a copy."""
    return np.ascontiguousarray(array).data.cast("B")


def _extended(value: Any) -> msgpack.ExtType:
    if type(value) is tuple:
        return msgpack.ExtType(_TUPLE, pack(list(value)))
    if isinstance(value, np.ndarray):
        return _packed_array(value)
    if isinstance(value, np.generic) and value.dtype.kind in _KINDS:
        return msgpack.ExtType(_SCALAR, pack([value.dtype.str, value.tobytes()]))
    record = _records()[0].get(type(value))
    if record is None:
        raise CannotCrossError(f"a {type(value).__name__} cannot cross: plain values and arrays can")
    return msgpack.ExtType(_RECORD, pack([record.name, [_plain(getattr(value, name)) for name in record.fields]]))


def _plain(value: Any) -> Any:
    """A field of a record, as its type says: stages leave numbers of NumPy where whole numbers are meant."""
    if isinstance(value, How):
        return value.value
    if isinstance(value, np.generic):
        return value.item()
    return dict(value) if isinstance(value, Mapping) else value


def _packed_array(array: NDArray[Any]) -> msgpack.ExtType:
    if array.dtype.kind in _KINDS:
        return msgpack.ExtType(_ARRAY, pack([array.dtype.str, list(array.shape), array.tobytes()]))
    if array.dtype.kind == "O" and all(isinstance(each, str) for each in array.flat):
        return msgpack.ExtType(_TEXTS, pack([list(array.shape), [str(each) for each in array.flat]]))
    raise CannotCrossError(f"an array of {array.dtype} cannot cross: numbers and texts can")


def _made(deeper: int, code: int, body: bytes) -> Any:
    value = _unpack(body, deeper)
    if not isinstance(value, list):
        raise MalformedError("no message: an extension without parts")
    if code == _TUPLE:
        return tuple(value)
    if code == _ARRAY:
        kind, shape, data = value
        return np.frombuffer(data, _dtype(kind)).reshape(shape).copy()
    if code == _SCALAR:
        kind, data = value
        return np.frombuffer(data, _dtype(kind))[0]
    if code == _TEXTS:
        shape, texts = value
        return np.array([str(each) for each in texts], object).reshape(shape)
    if code == _RECORD:
        name, values = value
        return _remade(name, values)
    raise MalformedError("no message: an extension that nobody knows")


def _dtype(kind: str) -> np.dtype[Any]:
    dtype = np.dtype(str(kind))
    if dtype.kind not in _KINDS:
        raise MalformedError(f"no message: an array of {dtype}")
    return dtype


def _remade(name: str, values: Sequence[Any]) -> Any:
    record = _records()[1][name]
    for (field, kind), value in zip(record.fields.items(), values, strict=True):
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise MalformedError(f"no message: {name}.{field} is a {type(value).__name__}")
    return record.make(*values)


@cache
def _records() -> tuple[Mapping[type, _Record], Mapping[str, _Record]]:
    """The kinds of records by their type, and by their name; supervision is imported by who first needs them."""
    import supervision as sv

    none, array = type(None), np.ndarray
    detections: _Fields = {"xyxy": array, "mask": (array, none), "confidence": (array, none), "class_id": (array, none)}
    detections = {**detections, "tracker_id": (array, none), "data": dict, "metadata": dict}
    answer: _Fields = {"detections": sv.Detections, "how": str, "by": str, "as_of": int, "reason": str}
    answer = {**answer, "partial": bool, "audit_of": str}
    audit: _Fields = {"stage": str, "missed": bool, "false": bool, "boxes": Matched, "classes": Matched, "said": int}
    audit = {**audit, "seq": int}
    decision: _Fields = {
        "accepted": bool,
        "whole": bool,
        "margins": dict,
        "doubt": dict,
        "chance": (int, float),
        "why": str,
    }
    low: _Fields = {"answer": Answer, "boxes": (array, none), "decision": (Decision, none)}
    kinds: dict[type, _Record] = {
        sv.Detections: _Record("detections", detections, sv.Detections),
        Answer: _Record("answer", answer, _answer),
        Matched: _Record("matched", dict.fromkeys(Matched._fields, int), Matched),
        Audit: _Record("audit", audit, Audit),
        Away: _Record("away", {"segment": str, "for_s": (int, float)}, Away),
        Reply: _Record("reply", {"answer": Answer, "wall_ns": int, "cpu_ns": int}, Reply),
        Decision: _Record("decision", decision, Decision),
        LowConfidenceBoxes: _Record("low-confidence", low, LowConfidenceBoxes),
    }
    return kinds, {record.name: record for record in kinds.values()}


def _answer(detections: Any, how: str, by: str, as_of: int, reason: str, partial: bool, audit_of: str) -> Answer:
    return Answer(detections, How(how), by, as_of, reason, partial, audit_of)
