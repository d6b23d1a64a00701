"""A camera to begin with, and which of its streams is for what."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from vidpipe.core.secrets import REFERENCE
from vidpipe.sources.cameras.onvif import Offer

_DETECTS_PX = 640  # the side of what a detector looks at


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera to watch; what is printed of it holds no address.

    Attributes:
        url: what is watched.
        record_url: what clips are cut from; None: the same.
    """

    name: str
    url: str = field(repr=False)
    record_url: str | None = field(default=None, repr=False)


def choose(offers: Sequence[Offer]) -> tuple[Offer, Offer]:
    """What to watch, and what to record: the smallest stream that fills a detector, and the largest."""
    large = max(offers, key=lambda offer: offer.pixels)
    fitting = [offer for offer in offers if max(offer.width, offer.height) >= _DETECTS_PX]
    return min(fitting, key=lambda offer: offer.pixels, default=large), large


def with_user(url: str, user: str, password: str) -> str:
    """The address with a user in it, as the user would write it: nothing is encoded before it is used."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{user}:{password}@{rest}" if user else url


def is_kept_elsewhere(url: str) -> bool:
    """Whether the address is a reference already, and holds no secret itself."""
    return bool(REFERENCE.search(url))


def name_of(told: str, taken: Collection[str]) -> str:
    """A name for a stream that is fit for a file, and that none of those taken has, of what somebody calls it."""
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", told).strip("-.")[:40] or "camera"
    number, name = 1, plain
    while name in taken:
        number += 1
        name = f"{plain}-{number}"
    return name
