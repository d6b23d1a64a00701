"""Signing in and out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

import vidpipe
from vidpipe.serve.site import COOKIE, SiteOf, is_forwarded, person_or_none
from vidpipe.serve.users import Person

router = APIRouter(prefix="/api/session", tags=["session"])


class SignIn(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Field(max_length=64)]
    password: Annotated[str, Field(max_length=1024, repr=False)]


@router.get("")
def who(request: Request, site: SiteOf) -> dict[str, Any]:
    """Who asks, and what there is to see; also for those who have not signed in."""
    person = person_or_none(request)
    return {"version": vidpipe.__version__, "has_users": site.has_users, "person": _told(person)} | (
        {"runs": list(site.runs), "store": site.store is not None} if person is not None else {}
    )


@router.post("")
async def sign_in(asked: SignIn, request: Request, response: Response, site: SiteOf) -> dict[str, Any]:
    """Begin a session, in a cookie that no script can read. Tries that fail are bounded, by address and by name."""
    # Through a proxy all come from one address: that of a stranger must not keep out the others.
    address = () if is_forwarded(request) or request.client is None else (f"address {request.client.host}",)
    keys = (*address, f"name {asked.name}")
    if wait_s := site.tries.wait_s(*keys):
        seconds = str(int(wait_s) + 1)
        raise HTTPException(429, f"too many tries: wait {seconds} s", {"Retry-After": seconds})
    async with site.hashing:
        person = await run_in_threadpool(site.users.by_password, asked.name, asked.password)
    if person is None:
        raise HTTPException(403, "no such name and password")
    site.tries.forget(*keys)
    secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
    secret = site.sessions.begin(person.name)
    response.set_cookie(COOKIE, secret, httponly=True, samesite="strict", secure=secure, path="/")
    return {"person": _told(person)}


@router.delete("")
def sign_out(request: Request, response: Response, site: SiteOf) -> dict[str, Any]:
    """End the session."""
    site.sessions.end(request.cookies.get(COOKIE, ""))
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", path="/")
    return {"person": None}


def _told(person: Person | None) -> dict[str, Any] | None:
    if person is None:
        return None
    return {"name": person.name, "role": person.role, "cameras": list(person.cameras)}
