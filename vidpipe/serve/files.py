"""The files that the page consists of, in memory: a thread that looks for one waits for those of the pipeline, and a
browser that has none asks for a dozen at once.
"""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path

from fastapi import HTTPException, Request, Response

STATIC = Path(__file__).parent / "static"


class Files:
    """All of a folder, as they are now. A browser keeps them, and asks whether they have changed."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        self._marks = {name: f'"{hashlib.sha256(body).hexdigest()[:16]}"' for name, body in self._files.items()}

    def answer(self, name: str, request: Request) -> Response:
        """A file by its name; raises 404 where there is none."""
        if (body := self._files.get(name)) is None:
            raise HTTPException(404, "there is no such file")
        headers = {"Cache-Control": "no-cache", "ETag": self._marks[name]}
        if request.headers.get("if-none-match") == self._marks[name]:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=mimetypes.guess_type(name)[0], headers=headers)
