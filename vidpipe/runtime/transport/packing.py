"""How a link packs frames: how large a picture crosses, which parts of it, and as what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from vidpipe.cascade.cascade import Ticket
from vidpipe.core.frame import Frame, Image
from vidpipe.core.settings import StageConfig
from vidpipe.models.split.metered import MeteredHead
from vidpipe.pipeline.plan import Link
from vidpipe.pipeline.spec import LinkSpec
from vidpipe.runtime.transport import codec
from vidpipe.runtime.transport.parts import parts_of
from vidpipe.runtime.transport.size import own_size, picture_size

Heads = Callable[[str, int | None], MeteredHead | None]
"""`Library.head`: gives the first half of a model, for the calling thread."""


def packed(
    ticket: Ticket,
    link: Link,
    spec: LinkSpec,
    *,
    complete: bool,
    memory: Image | None = None,
    heads: Heads | None = None,
) -> codec.PackedFrame:
    """An open frame as it crosses a link; arguments as of `codec.pack`.

    Args:
        spec: of the link, or of the rung in use.
        heads: what makes features of pictures, on a link that is split; None: pictures cross as such.
    """
    if (
        spec.split is not None
        and heads is not None
        and (model := link.cut_model(ticket.frame.knobs.stages)) is not None
    ):
        head = heads(model, spec.split.behind)
        if head is not None:
            features = head.features(ticket.frame.bgr(), spec.split.bits)
            return codec.pack(ticket, spec, complete=complete, features=features)
    size = picture_size(ticket.frame, link, spec)
    places = parts_of(ticket, link, spec, size)
    return codec.pack(ticket, spec, complete=complete, memory=memory, places=places, size=size)


def packed_shadow(frame: Frame, link: Link, variants: Iterable[tuple[str, StageConfig]]) -> codec.PackedFrame:
    """A frame of which variants are asked: it is as large as these need, whatever is in force.

    Args:
        variants: stages, by id, and the settings that each is asked under.
    """
    shadowed: defaultdict[str, list[StageConfig]] = defaultdict(list)
    for stage, config in variants:
        shadowed[stage].append(config)
    size, spec = picture_size(frame, link, link.spec, shadowed), link.spec
    if spec.fits_networks and size == own_size(frame, spec):  # it may have been scaled when it was kept
        quality = codec.raised(spec.quality, frame.width * frame.height / (size[0] * size[1]))
        spec = spec.model_copy(update={"quality": quality})
    return codec.pack(Ticket(frame), spec, complete=False, size=size)
