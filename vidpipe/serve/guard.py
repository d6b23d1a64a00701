"""What every request passes before anything looks at it: the name that it is sent to, who sends it, how large it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from vidpipe.results.sinks.mjpeg import is_local

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MOST_BYTES = 64 * 1024  # of a request's body
MOST_HEAD = 32 * 1024  # bytes of its headers
BODY_S = 10.0  # in which it must have come
TAKEN_S = 20.0  # in which a piece of an answer must be taken

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS = frozenset({"", "none", "same-origin"})  # of Sec-Fetch-Site; a program sends none
_HEADERS = {
    # Scripts and styles come from this server's files alone: what a camera, rule or user is called never becomes one.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """Refuses what no page of ours sends, and adds the headers that keep a browser from running what is not ours.

    Args:
        by_name: whether requests may name this server by any name. Where nobody signs in they may not: a page elsewhere
            may lead its own name here, and read what comes (DNS rebinding). Who signs in has a cookie, which a browser
            sends to no other name.
    """

    def __init__(self, app: App, by_name: Callable[[], bool]) -> None:
        self._app = app
        self._by_name = by_name

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        if scope["type"] != "http":
            return
        sender = _Sender(send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEAD:
            await _refuse(sender, 431, f"the headers of a request hold {MOST_HEAD} bytes at most")
            return
        if refusal := self._refusal(scope["method"], scope["path"], headers):
            await _refuse(sender, *refusal)
            return
        if scope["method"] not in _SAFE:
            try:
                body = await _body(receive, headers)
            except TimeoutError:
                await _refuse(sender, 408, f"the request was not complete after {BODY_S:g} s")
                return
            if body is None:
                await _refuse(sender, 413, f"a request holds {MOST_BYTES} bytes at most")
                return
            if _has_half_characters(body):
                await _refuse(sender, 400, "the request holds half of a character (a lone surrogate, as \\ud800)")
                return
            receive = _replayed(body, receive)
        with suppress(_NotTakenError):
            await self._app(scope, receive, sender)

    def _refusal(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str] | None:
        """Why a request is refused: the status, and in words."""
        host = headers.get("host", "")
        if not is_local(_name(host)) and not self._by_name():
            return 403, "asked for under a name that is not this machine's"
        site = headers.get("sec-fetch-site", "")
        opens_page = method == "GET" and headers.get("sec-fetch-mode") == "navigate" and not path.startswith("/api/")
        if site not in _OURS and not opens_page:
            return 403, "sent by another site"
        if method not in _SAFE:
            origin = headers.get("origin")
            if origin is not None and urlsplit(origin).netloc != host:
                return 403, "sent by another site"
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json" and headers.get("content-length", "0") != "0":
                return 415, "send JSON, as Content-Type: application/json"
        return None


class _NotTakenError(Exception):
    """Who asked does not take the answer: there is nobody to tell so."""


class _Sender:
    """Adds headers, and gives up on who does not take an answer."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            known = [(name, value) for name, value in message.get("headers", ())]
            named = {name.lower() for name, _ in known}
            added = dict(_HEADERS)
            if b"cache-control" not in named:
                added["cache-control"] = "no-store"
            message["headers"] = known + [(name.encode(), value.encode()) for name, value in added.items()]
        try:
            async with asyncio.timeout(TAKEN_S):
                await self._send(message)
        except TimeoutError:
            raise _NotTakenError from None


async def _body(receive: Receive, headers: dict[str, str]) -> bytes | None:
    """The whole body; None where it is too large."""
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length) > MOST_BYTES:
        return None
    body: bytes = b""
    async with asyncio.timeout(BODY_S):
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > MOST_BYTES:
                return None
            if message["type"] != "http.request" or not message.get("more_body", False):
                return body


def _has_half_characters(body: bytes) -> bool:
    """Whether a text in this JSON cannot be written: taken up as a name or reason it would break all that write it."""
    if b"\\ud" not in body.lower():
        return False
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):  # no JSON: refused as such
        return False
    return False


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read, and then what else comes."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _refuse(send: Send, status: int, why: str) -> None:
    text = json.dumps({"error": why}).encode() + b"\n"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": text})


def _name(host: str) -> str:
    """A Host header without its port."""
    name, _, port = host.rpartition(":")
    return name if port.isdigit() and name else host
