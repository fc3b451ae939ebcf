"""The tab that classifies photos: each is one request, which stays in memory and is answered with a piece of HTML."""

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse

from dogs_vs_cats.app.answers import Expert, Photo, answer_photo
from dogs_vs_cats.app.serving import HEADERS
from dogs_vs_cats.reporting.html import environment

MAX_UPLOADS = 4
"""Photos received at the same time; with the size limit of a photo, this bounds the memory."""

_UNANSWERED = Photo("", "it couldn’t be sent (is it a folder?), or the program that serves this page has ended")


def routes(experts: Sequence[Expert], max_bytes: int) -> APIRouter:
    """Returns the page of the tab, and the address that takes photos.

    Args:
        experts: The models that answer.
        max_bytes: Size limit of a file.
    """
    templates = environment("dogs_vs_cats.app")
    models = [expert.model for expert in experts]
    page = templates.get_template("page.html.jinja").render(models=models, photo=_UNANSWERED)
    router = APIRouter()
    uploads, one_at_a_time = asyncio.Semaphore(MAX_UPLOADS), asyncio.Lock()

    @router.get("/")
    def show() -> HTMLResponse:
        return HTMLResponse(page, headers=HEADERS)

    @router.post("/answer")
    async def answer(request: Request, name: str) -> HTMLResponse:
        async with uploads:
            data = bytearray()
            async for chunk in request.stream():  # to its end, or browsers don't read the answer
                if len(data) <= max_bytes:
                    data += chunk
            if len(data) > max_bytes:
                status, photo = 413, Photo(name, f"it is larger than {max_bytes:,} bytes, ingestion.max_bytes")
            else:
                async with one_at_a_time:
                    photo = await run_in_threadpool(answer_photo, name, bytes(data), experts)
                status = 422 if photo.problem else 200
        return HTMLResponse(templates.get_template("photo.html.jinja").render(photo=photo), status)

    return router
