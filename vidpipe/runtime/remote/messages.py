"""What a run and its server say to each other, and how it is written: lists of a kind and its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.cascade.audit import Audit
from vidpipe.cascade.cascade import Away, Completed
from vidpipe.core.answer import Answer
from vidpipe.core.picture import Planes, packed_size
from vidpipe.core.settings import Knobs, StageConfig
from vidpipe.models.split.coding import CodedMaps, Features
from vidpipe.pipeline.plan import Plan
from vidpipe.runtime.links.job import Command, CompleteOrder
from vidpipe.runtime.remote.agreement import fixed
from vidpipe.runtime.remote.values import CannotCrossError, MalformedError, pack, unpack, view
from vidpipe.runtime.shadow.ask import ShadowAsk
from vidpipe.runtime.transport.codec import Bgr, Body, Coded, PackedFrame, Parts
from vidpipe.runtime.worker import Settings
from vidpipe.sources.view import View

States = Mapping[str, Mapping[str, bytes]]

_PICTURES: Mapping[str, Any] = {kind.__name__: kind for kind in (Planes, Bgr, Coded)}
_NUMBER = (int, float)
_LARGEST_PX = 16_384  # side of a picture of which only parts come
_FRAME: Mapping[str, Any] = {
    "stream": str,
    "seq": int,
    "pts": _NUMBER,
    "captured_at": (*_NUMBER, type(None)),
    "since": _NUMBER,
    "size": tuple,
    "visible": _NUMBER,
    "discontinuity": int,
    "features": dict,
    "picture": list,
    "due": bool,
    "straight": bool,
    "complete": bool,
    "nbytes": int,
    "trace": str,
}
"""What each field of a `PackedFrame` must be."""


class Restore(NamedTuple):
    """What an earlier instance kept of these streams, for one that knows nothing of them."""

    states: States


class ShadowQuestion(NamedTuple):
    """Shadow asks of one frame."""

    frame: PackedFrame
    asks: Sequence[ShadowAsk]


class Prepare(NamedTuple):
    """Settings that frames will bring soon, by stage id: what they need is to be loaded."""

    configs: Mapping[str, Sequence[StageConfig]]


class AskCounts(NamedTuple):
    """The server is to say what its stages have counted for this run."""


class Bye(NamedTuple):
    """The run has ended: nothing of it needs to be kept."""


class SettingsError(MalformedError):
    """Settings of a stream that cannot be gone by.

    Attributes:
        stream: its frames cannot be answered until others come.
    """

    def __init__(self, stream: str, why: str) -> None:
        super().__init__(why)
        self.stream = stream


Down = Command | PackedFrame | CompleteOrder | Restore | ShadowQuestion | Prepare | AskCounts | Bye


class Answered(NamedTuple):
    """What came of a message: `Completed` of a frame, replies of a shadow question, plain values of what else asks.

    Attributes:
        to: its number.
        failed: why nothing came of it; "" where something did.
        held_s: from when it had come until it was answered: the rest is what it took to cross.
    """

    to: int
    value: Any = None
    failed: str = ""
    held_s: float = 0.0


class Writer:
    """Writes what a run says.

    Args:
        below: ids of the stages that the server runs: of others it is told nothing.
        left_out: told of each stage that has left something for others that cannot cross, and what that is.
    """

    def __init__(self, below: Sequence[str], left_out: Callable[[str, str], None]) -> None:
        self._below = frozenset(below)
        self._left_out = left_out

    def write(self, message: Down) -> bytes:
        """The bytes of a message; raises CannotCrossError where it holds what cannot cross."""
        if isinstance(message, Command):
            return pack(["settings", message.stream, *self._settings(message.settings)])
        if isinstance(message, PackedFrame):
            return pack(["frame", self._frame(message)])
        if isinstance(message, ShadowQuestion):
            asks = [[*ask[:4], _values(ask.config), ask.back] for ask in message.asks]
            return pack(["shadow", self._frame(message.frame), asks])
        if isinstance(message, Prepare):
            configs = {id: [_values(each) for each in configs] for id, configs in message.configs.items()}
            return pack(["prepare", {id: each for id, each in configs.items() if id in self._below}])
        if isinstance(message, CompleteOrder):
            return pack(["complete", *message])
        if isinstance(message, Restore):
            kept = {stream: dict(states) for stream, states in message.states.items()}
            return pack(["restore", {stream: self._own(states) for stream, states in kept.items()}])
        return pack(["count"] if isinstance(message, AskCounts) else ["bye"])

    def _own(self, states: Mapping[str, bytes]) -> dict[str, bytes]:
        return {id: state for id, state in states.items() if id in self._below}

    def _settings(self, settings: Settings) -> list[Any]:
        own = {id: _values(config) for id, config in settings.knobs.stages.items() if id in self._below}
        hidden = list(settings.view.polygons) if settings.view is not None else None
        return [settings.knobs.version, own, hidden, settings.weight, settings.live]

    def _frame(self, frame: PackedFrame) -> list[Any]:
        fields = frame._asdict() | {
            "picture": _written_picture(frame.picture),
            "features": self._features(frame.features),
        }
        return list(fields.values())

    def _features(self, features: Mapping[str, Any]) -> dict[str, bytes]:
        written = {}
        for stage, feature in features.items():
            try:
                written[stage] = pack(feature)
            except CannotCrossError as error:
                self._left_out(stage, str(error))
        return written


def write_answer(answered: Answered) -> bytes:
    """The bytes of what the server says; raises CannotCrossError."""
    value = answered.value
    if isinstance(value, Completed):
        states = None if value.states is None else dict(value.states)
        value = ["completed", value.answer, value.audit, states, value.away]
    return pack([answered.to, value, answered.failed, answered.held_s])


def read_answer(body: bytes | bytearray) -> Answered:
    """What the server says; raises MalformedError."""
    to, value, why, held_s = _parts(unpack(body), int, object, str, _NUMBER)
    if isinstance(value, list) and value[:1] == ["completed"]:
        none = type(None)
        _, answer, audit, states, away = _parts(value, str, Answer, (Audit, none), (dict, none), (Away, none))
        value = Completed(answer, audit, None if states is None else _states_of_stages(states), away)
    return Answered(to, value, why, held_s)


class Reader:
    """Reads what a run says. Settings are checked by the stages that they are for, as those of a pipeline file are."""

    def __init__(self, plan: Plan) -> None:
        self._stages = {stage.id: stage for stage in plan.pipeline.stages}

    def read(self, body: bytes | bytearray) -> Down:
        """The message; raises MalformedError."""
        message = unpack(body)
        if not isinstance(message, list) or not message or not isinstance(message[0], str):
            raise MalformedError("no message: no kind")
        kind, *parts = message
        read = getattr(self, f"_read_{kind}", None) if kind in _KINDS else None
        if read is None:
            raise MalformedError("no message: a kind that nobody knows")
        try:
            result: Down = read(parts)
        except MalformedError:
            raise
        except Exception as error:
            raise MalformedError(f"no message: {kind}: {type(error).__name__}") from None
        return result

    def _read_settings(self, parts: Sequence[Any]) -> Command:
        kinds = (str, int, dict, (list, type(None)), (*_NUMBER, type(None)), bool)
        stream, version, stages, hidden, weight, live = _parts(parts, *kinds)
        try:
            knobs = Knobs(version, {id: self._config(id, values) for id, values in stages.items()})
        except Exception as error:
            raise SettingsError(stream, f"settings that the server does not take: {error}".splitlines()[0]) from None
        return Command(stream, Settings(knobs, View(*hidden) if hidden is not None else None, weight, live))

    def _read_frame(self, parts: Sequence[Any]) -> PackedFrame:
        (frame,) = _parts(parts, list)
        return _frame(frame)

    def _read_shadow(self, parts: Sequence[Any]) -> ShadowQuestion:
        frame, written = _parts(parts, list, list)
        return ShadowQuestion(_frame(frame), [self._ask(each) for each in written])

    def _read_prepare(self, parts: Sequence[Any]) -> Prepare:
        (configs,) = _parts(parts, dict)
        return Prepare({id: [self._config(id, each) for each in values] for id, values in configs.items()})

    def _read_complete(self, parts: Sequence[Any]) -> CompleteOrder:
        return CompleteOrder(*_parts(parts, str, int))

    def _read_restore(self, parts: Sequence[Any]) -> Restore:
        (states,) = _parts(parts, dict)
        return Restore({stream: _states_of_stages(kept) for stream, kept in states.items()})

    def _read_count(self, parts: Sequence[Any]) -> AskCounts:
        return AskCounts(*_parts(parts))

    def _read_bye(self, parts: Sequence[Any]) -> Bye:
        return Bye(*_parts(parts))

    def _ask(self, parts: Any) -> ShadowAsk:
        number, place, label, stage, values, back = _parts(parts, int, int, str, str, dict, bool)
        return ShadowAsk(number, place, label, stage, self._config(stage, values), back)

    def _config(self, stage: str, values: Mapping[str, Any]) -> StageConfig:
        placed = self._stages[stage]
        config: StageConfig = placed.type.Config.model_validate(values)
        own, theirs = fixed(placed.config), fixed(config)
        if differing := [name for name, value in own.items() if value != theirs[name]]:
            raise MalformedError(f"stage {stage}: {', '.join(differing)} is no knob, and the server's is another")
        return config


_KINDS = ("settings", "frame", "shadow", "prepare", "complete", "restore", "count", "bye")


def _parts(values: Any, *kinds: Any) -> Sequence[Any]:
    """The parts of a message, each of which is what it must be."""
    if not isinstance(values, list) or len(values) != len(kinds):
        raise MalformedError("no message: parts are missing")
    for value, kind in zip(values, kinds, strict=True):
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise MalformedError(f"no message: a {type(value).__name__} in a wrong place")
    return values


def _states_of_stages(states: Mapping[Any, Any]) -> dict[str, bytes]:
    if not all(isinstance(id, str) and isinstance(state, bytes) for id, state in states.items()):
        raise MalformedError("no message: states that are none")
    return dict(states)


def _frame(parts: Any) -> PackedFrame:
    fields = dict(zip(PackedFrame._fields, _parts(parts, *_FRAME.values()), strict=True))
    features = {stage: unpack(feature) for stage, feature in fields.pop("features").items()}
    return PackedFrame(**fields | {"features": features, "picture": _picture(fields.pop("picture"))})


def _written_picture(picture: Body) -> list[Any]:
    kind = type(picture).__name__
    if isinstance(picture, Features):
        (data, shapes, bits), behind, fingerprint = picture
        return [kind, [view(data), [list(shape) for shape in shapes], bits, behind, fingerprint]]
    if isinstance(picture, Parts):
        parts = [_written_picture(part) for part in picture.pictures]
        return [kind, [parts, picture.places.tolist(), picture.width, picture.height]]
    if kind not in _PICTURES:
        raise CannotCrossError(f"a picture packed as {kind} cannot cross")
    return [kind, [view(each) if isinstance(each, np.ndarray) else each for each in picture]]


def _picture(written: Any) -> Body:
    """The picture; pixels that are fewer than its size says would be read beyond their end."""
    kind, fields = _parts(written, str, list)
    if kind == Features.__name__:
        return _features(fields)
    if kind != Parts.__name__:
        return _whole_picture(kind, fields)
    pictures, places, width, height = _parts(fields, list, list, int, int)
    whole = np.array([_parts(place, int, int, int, int) for place in places], np.int64).reshape(-1, 4)
    if len(whole) != len(pictures) or not pictures or not _fit(whole, width, height):
        raise MalformedError("no message: parts of a picture that lie beyond it")
    made = [_whole_picture(*_parts(part, str, list)) for part in pictures]
    for part, (x0, y0, x1, y1) in zip(made, whole.tolist(), strict=True):
        if not isinstance(part, Coded) and (part.width, part.height) != (x1 - x0, y1 - y0):
            raise MalformedError("no message: a part of a picture of another size than its place")
    return Parts(tuple(made), whole, width, height)


def _features(fields: Any) -> Features:
    """What a tail takes; it looks itself whether the data fits the shapes, and these its network."""
    data, written, bits, behind, fingerprint = _parts(fields, bytes, list, int, int, str)
    shapes = tuple(tuple(_parts(shape, *[int] * len(shape))) for shape in written if isinstance(shape, list))
    if not all(0 < side <= _LARGEST_PX for shape in shapes for side in shape) or not 2 <= bits <= 8:
        raise MalformedError("no message: features that are none")
    return Features(CodedMaps(np.frombuffer(data, np.uint8), shapes, bits), behind, fingerprint)


def _fit(places: NDArray[np.int64], width: int, height: int) -> bool:
    low, high = places[:, :2], places[:, 2:]
    return (
        0 < width <= _LARGEST_PX
        and 0 < height <= _LARGEST_PX
        and bool((low >= 0).all() and (high > low).all() and (high <= [width, height]).all())
    )


def _whole_picture(kind: str, fields: Sequence[Any]) -> Planes | Bgr | Coded:
    made: Any = _PICTURES[kind](
        *(np.frombuffer(each, np.uint8) if isinstance(each, bytes) else each for each in fields)
    )
    if isinstance(made, Coded):
        return made
    width, height = made.width, made.height
    size = packed_size(width, height) if isinstance(made, Planes) else width * height * 3
    if width <= 0 or height <= 0 or made.pixels.size != size:
        raise MalformedError("no message: a picture of another size than it says")
    if isinstance(made, Planes) and made.format not in ("yuv420p", "yuvj420p"):
        raise MalformedError("no message: a picture of an unknown format")
    checked: Planes | Bgr = made
    return checked


def _values(config: StageConfig) -> dict[str, Any]:
    """What was set of a stage's settings: what was not may depend on the rest."""
    return config.model_dump(mode="json", exclude_unset=True)
