"""The application: what it answers requests with, and how errors look."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

import vidpipe
from vidpipe.core.errors import ConfigError, VidpipeError
from vidpipe.serve.api import marks, pictures, run, session, store, told
from vidpipe.serve.files import Files
from vidpipe.serve.guard import Guard
from vidpipe.serve.runs import ConflictError, ElsewhereError
from vidpipe.serve.site import Site

log = logging.getLogger(__name__)

_REFUSALS = {
    400: "what is asked for is not possible",
    401: "sign in, or send `Authorization: Bearer TOKEN`",
    403: "not allowed",
    404: "there is no such thing",
    408: "the request was not complete in time",
    409: "somebody else has changed it since, or it belongs to another process",
    413: "the request is too long",
    415: "the request is no JSON",
    422: "the request is not well-formed",
    429: "too many tries",
    431: "the headers are too long",
    503: "it cannot be asked now",
}
"""What an answer that is no 2xx means, by its status."""


class Refusal(BaseModel):
    """Every answer that is no 2xx."""

    error: str  # in words


def make_app(site: Site) -> FastAPI:
    """The page and its API for one site."""
    app = FastAPI(
        title="vidpipe",
        version=vidpipe.__version__,
        description='Every answer that is no 2xx is `{"error": ...}`, in words.',
        responses={status: {"model": Refusal, "description": why} for status, why in _REFUSALS.items()},
        openapi_url="/api/openapi.json",
        docs_url=None,  # it would load scripts from elsewhere
        redoc_url=None,
    )
    app.state.site = site
    for part in (session, run, pictures, told, store, marks):
        app.include_router(part.router)

    files = Files()

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return files.answer("index.html", request)

    @app.get("/static/{name}", include_in_schema=False)
    async def file(name: str, request: Request) -> Response:
        return files.answer(name, request)

    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(VidpipeError, _failed)
    app.add_exception_handler(Exception, _fault)
    app.add_middleware(Guard, by_name=lambda: site.has_users)
    return app


def _error(status: int, why: str, headers: Any = None) -> JSONResponse:
    return JSONResponse({"error": why}, status, headers)


def _http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, str(error.detail), error.headers)


def _malformed(_: Request, error: Exception) -> JSONResponse:
    """What is wrong with a request, without what was sent: it may be a password."""
    assert isinstance(error, RequestValidationError)
    wrong = [f"{'.'.join(map(str, each['loc'][1:])) or 'request'}: {each['msg']}" for each in error.errors()]
    return _error(422, "; ".join(wrong))


def _failed(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, ConflictError | ElsewhereError):
        return _error(409, str(error))
    changes = request.method not in ("GET", "HEAD")
    return _error(400 if isinstance(error, ConfigError) and changes else 503, str(error))


def _fault(request: Request, error: Exception) -> JSONResponse:
    log.warning("the page cannot answer %s: %s", request.url.path, type(error).__name__)
    log.debug("the page cannot answer", exc_info=error)
    return _error(500, f"this is a fault of vidpipe: {type(error).__name__}")
