"""Cameras on this network that speak ONVIF: which there are, and at which addresses they send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from vidpipe.core.errors import RunError
from vidpipe.core.extras import how_to_install
from vidpipe.sources.cameras.errors import CameraError, Kind


@dataclass(frozen=True, slots=True)
class Device:
    """A camera, or a recorder with several, that has answered.

    Attributes:
        host: its name or number in the network.
        service: the address at which it is asked; holds no secret.
        name, hardware: as it says itself; "" where it does not.
    """

    host: str
    service: str
    name: str = ""
    hardware: str = ""

    def __str__(self) -> str:
        told = " ".join(part for part in (self.name, self.hardware) if part)
        return f"{self.host} ({told})" if told else self.host


@dataclass(frozen=True, slots=True)
class Offer:
    """A stream that a camera sends.

    Attributes:
        url: its address, without user and password.
        width, height: of its pictures; 0 where the camera does not tell.
    """

    url: str
    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height


def find(seconds: float, interfaces: Sequence[str] | None = None) -> list[Device]:
    """Ask the network, and listen for so long; by host.

    Args:
        interfaces: addresses of this machine to ask from; None: all.

    Raises:
        RunError: the package that asks is not there.
    """
    try:
        from onveef.wsdiscovery import discover
    except ImportError:
        raise RunError(_missing()) from None
    found = discover(timeout_s=seconds, interface_ip=None if interfaces is None else list(interfaces))
    devices = {
        host: Device(host, device.device_service, _plain(device.name), _plain(device.hardware))
        for device in found
        if (host := _host(device.device_service))
    }
    return [devices[host] for host in sorted(devices)]


def offers(device: Device, user: str, password: str, timeout_s: float = 10.0) -> list[Offer]:
    """The streams of a camera, those with the largest pictures first.

    Raises:
        CameraError: it does not answer, or not to this user.
        RunError: the package that asks is not there.
    """
    try:
        from onveef import OnvifAuthError, OnvifClient, OnvifError
    except ImportError:
        raise RunError(_missing()) from None
    try:
        with OnvifClient(device.service, username=user, password=password, timeout_s=timeout_s) as camera:
            made = [
                _offer(profile, camera.get_stream_uri(profile_token=profile["token"]))
                for profile in camera.get_profiles()
            ]
    except OnvifAuthError:
        raise CameraError(Kind.DENIED, "wrong user or password") from None
    except OnvifError as error:
        raise CameraError(Kind.LOST, f"it does not tell its streams ({error.code})") from None
    return sorted({offer.url: offer for offer in made if offer.url}.values(), key=lambda offer: -offer.pixels)


def _missing() -> str:
    return f"ONVIF takes a package that is not there: {how_to_install('onvif')}"


def _offer(profile: dict[str, Any], url: str) -> Offer:
    encoder = profile.get("video_encoder") or {}
    return Offer(url, int(encoder.get("width") or 0), int(encoder.get("height") or 0))


def _host(service: str) -> str:
    try:
        return urlsplit(service).hostname or ""
    except ValueError:  # a device may send anything
        return ""


def _plain(text: str) -> str:
    """What a device says of itself, fit for a line of a terminal."""
    return "".join(letter for letter in unquote(text) if letter.isprintable())[:60]
