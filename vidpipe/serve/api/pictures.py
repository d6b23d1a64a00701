"""Pictures of streams: the newest one, and live with the boxes of the same frame."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from vidpipe.serve.api.endless import Endless
from vidpipe.serve.api.run import RunName, StreamName
from vidpipe.serve.gallery import Gallery
from vidpipe.serve.shots import Wanted
from vidpipe.serve.site import PersonOf, Site, SiteOf, Still, check_sees, is_here

router = APIRouter(prefix="/api", tags=["pictures"])

Width = Annotated[int, Query(ge=64, le=1920, description="wider pictures are scaled down to this many pixels")]
Fps = Annotated[float, Query(gt=0, le=30, description="most pictures a second, of each stream")]
_WAIT_S = 3.0  # for a picture of now
_BOUNDARY = "vidpipe-picture"
LIVE = "application/x-vidpipe-pictures"
VIDEO = "application/x-vidpipe-video"


@router.get("/picture", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}})
async def picture(
    stream: StreamName, request: Request, site: SiteOf, person: PersonOf, run: RunName = None, width: Width = 640
) -> Response:
    """The newest picture of a stream as JPEG, as stages saw it; `X-Vidpipe-Seq` is the number of its frame."""
    check_sees(person, stream)
    shot = await (await _gallery(request, site, run, [stream])).newest(stream, width, _WAIT_S)
    if shot is None:
        raise HTTPException(404, "no picture of that stream has come yet")
    return Response(shot.jpeg, media_type="image/jpeg", headers={"X-Vidpipe-Seq": str(shot.told["seq"])})


@router.get("/picture-and-boxes")
async def picture_and_boxes(
    stream: StreamName, request: Request, site: SiteOf, person: PersonOf, run: RunName = None, width: Width = 640
) -> dict[str, Any]:
    """The same with the answer to that very frame: `jpeg` is base64, and `boxes` are [x0, y0, x1, y1, class, score,
    track] in pixels of `size`."""
    check_sees(person, stream)
    shot = await (await _gallery(request, site, run, [stream])).newest(stream, width, _WAIT_S)
    if shot is None:
        raise HTTPException(404, "no picture of that stream has come yet")
    return shot.told | {"jpeg": base64.b64encode(shot.jpeg).decode()}


@router.get("/missed/picture", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}})
async def missed_picture(
    stream: StreamName,
    seq: Annotated[int, Query(ge=0, lt=2**63, description="of the frame")],
    request: Request,
    site: SiteOf,
    person: PersonOf,
    run: RunName = None,
) -> Response:
    """A frame on which an audit found an answer wrong, as JPEG; what the last stage saw in `X-Vidpipe-Boxes`."""
    check_sees(person, stream)
    shot = (await _gallery(request, site, run, [stream])).audited(stream, seq)
    if shot is None:
        raise HTTPException(404, "no picture of that audit is kept")
    headers = {"X-Vidpipe-Boxes": json.dumps({"size": shot.told["size"], "boxes": shot.told["boxes"]})}
    return Response(shot.jpeg, media_type="image/jpeg", headers=headers)


@router.get("/live", response_class=Endless, responses={200: {"content": {LIVE: {}}}})
async def live(
    request: Request,
    site: SiteOf,
    person: PersonOf,
    stream: Annotated[list[str], Query(description="names of streams")],
    run: RunName = None,
    width: Width = 640,
    fps: Fps = 5,
    still_s: Annotated[float, Query(ge=0, le=60, description="between pictures while nothing is in view")] = 0,
) -> Endless:
    """Pictures of streams with the answers to these very frames, for as long as one listens.

    Each record is two lengths (big-endian, 4 bytes each), so much JSON as of `picture-and-boxes`, and so much JPEG;
    both are empty now and then. Who reads slowly gets the newest.
    """
    seen = [name for name in dict.fromkeys(stream) if person.sees(name)]
    gallery = await _gallery(request, site, run, seen)
    wanted = Wanted(1 / fps, max(still_s, 1 / fps), width)

    async def records() -> AsyncGenerator[bytes, None]:
        async for _, shot in gallery.live(seen, wanted):
            yield shot.packed()

    return Endless(records(), site, Still(request, person), media_type=LIVE)


@router.get("/video", response_class=Endless, responses={200: {"content": {VIDEO: {}}}})
async def video(stream: StreamName, request: Request, site: SiteOf, person: PersonOf, run: RunName = None) -> Endless:
    """What a camera sends, not encoded again, with the answer to each of its pictures, for as long as one listens.

    Each record is two lengths (big-endian, 4 bytes each), so much JSON, and so much of a fragmented MP4 file of H.264
    (Media Source Extensions). JSON holds `begins` where a file begins: `mime`, and `base`, the media seconds of its
    first picture; or an answer as of `picture-and-boxes`, with the `pts` of its picture; or `none`: why there is none.
    """
    check_sees(person, stream)
    gallery = await _gallery(request, site, run, [stream])

    async def records() -> AsyncGenerator[bytes, None]:
        async for record in gallery.video(stream):
            yield record

    return Endless(records(), site, Still(request, person), media_type=VIDEO)


@router.get("/live.mjpeg", response_class=Endless)
async def mjpeg(
    stream: StreamName,
    request: Request,
    site: SiteOf,
    person: PersonOf,
    run: RunName = None,
    width: Width = 1280,
    fps: Fps = 5,
) -> Endless:
    """Pictures of a stream as MJPEG, without boxes, for programs that show cameras."""
    check_sees(person, stream)
    gallery = await _gallery(request, site, run, [stream])

    async def parts() -> AsyncGenerator[bytes, None]:
        async for _, shot in gallery.live([stream], Wanted(1 / fps, 1 / fps, width)):
            told = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(shot.jpeg)}\r\n\r\n"
            yield told.encode() + shot.jpeg + b"\r\n" if shot.jpeg else b""

    return Endless(parts(), site, Still(request, person), media_type=f"multipart/x-mixed-replace; boundary={_BOUNDARY}")


async def _gallery(request: Request, site: Site, run: str | None, streams: list[str]) -> Gallery:
    """The gallery of a run, where the pictures of these streams may go to who asks."""
    asked = site.run(run)
    if asked.gallery is None:
        raise HTTPException(409, f"run {asked.name} is of another process: its own page, by --serve, has its pictures")
    known = (await run_in_threadpool(asked.status))["streams"]
    if any(stream not in known for stream in streams):
        raise HTTPException(404, "there is no such stream")
    stays = asked.staying() & {*streams}
    if stays and not is_here(request):
        what = ", ".join(sorted(stays))
        raise HTTPException(403, f"pictures of {what} do not leave that machine: `leaves_device` says never")
    return asked.gallery
