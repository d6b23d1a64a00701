"""Answers that go on for as long as somebody takes them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from vidpipe.serve.site import Site, Still


class Endless(StreamingResponse):
    """Somebody who watches: one place of the site, from before the answer begins until nobody takes it, or may.

    What its parts hold is let go then, too; otherwise that waits until the generator is collected, which what is told
    of an error may put off for long.

    Args:
        parts: an empty one says that there is nothing to send just now.
        still: whether who watches still may; looked at before each part.

    Raises:
        HTTPException: so many watch already.
    """

    def __init__(
        self,
        parts: AsyncGenerator[bytes, None],
        site: Site,
        still: Still,
        status_code: int = 200,  # FastAPI reads it from here
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> None:
        super().__init__(_while(still, parts), status_code, headers, media_type)
        self._parts = parts
        self._site = site
        site.begin_watching()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._site.end_watching()
            await self._parts.aclose()


async def _while(still: Still, parts: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async for part in parts:
        if not still:
            return
        if part:
            yield part
