"""The page and its server. Each photo is one request, which stays in memory and is answered with a piece of HTML."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Sequence
from pathlib import Path

import click
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.requests import ClientDisconnect

from dogs_vs_cats.app.answers import Expert, Photo, answer_photo
from dogs_vs_cats.errors import ProjectError
from dogs_vs_cats.reporting.html import environment

MAX_CONNECTIONS = 32
"""Further connections are answered with status 503."""

MAX_UPLOADS = 4
"""Photos received at the same time; with the size limit of a photo, this bounds the memory."""

PORTS = range(7860, 7960)
"""The default is the first free one of these."""

# The page loads nothing from elsewhere and runs nothing but its own script, whatever a file is called.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_UNANSWERED = Photo("", "it couldn’t be sent (is it a folder?), or the program that serves this page has ended")


def build(experts: Sequence[Expert], max_bytes: int) -> FastAPI:
    """Builds the application.

    Args:
        experts: The models that answer.
        max_bytes: Size limit of a file.
    """
    templates = environment("dogs_vs_cats.app")
    models = [expert.model for expert in experts]
    page = templates.get_template("page.html.jinja").render(models=models, photo=_UNANSWERED)
    application = FastAPI(openapi_url=None)
    application.mount("/static", StaticFiles(directory=Path(__file__).with_name("static")))
    uploads, one_at_a_time = asyncio.Semaphore(MAX_UPLOADS), asyncio.Lock()

    @application.get("/")
    def show() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})

    @application.post("/answer")
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

    @application.exception_handler(ClientDisconnect)
    def gone(request: Request, error: Exception) -> Response:
        return Response(status_code=499)  # which nobody reads

    return application


def serve(application: FastAPI, host: str, port: int | None) -> None:
    """Serves the page until it is interrupted.

    Args:
        application: See `build`.
        host: Address to listen on.
        port: TCP port; None for the first free one of `PORTS`.

    Raises:
        ProjectError: The address or the port isn't available.
    """
    config = uvicorn.Config(application, log_level="warning", limit_concurrency=MAX_CONNECTIONS)
    with _listen(host, PORTS if port is None else [port]) as listening, contextlib.suppress(KeyboardInterrupt):
        name = f"[{host}]" if ":" in host else host
        click.echo(f"Open http://{name}:{listening.getsockname()[1]}/ (Ctrl-C ends it)")
        uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, ports: Sequence[int]) -> socket.socket:
    """Listens on the first free port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, ports[0]), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and len(ports) > 1:
            return _listen(host, ports[1:])
        reason = str(error.strerror).partition(" (")[0]  # Python repeats the address in parentheses
        raise ProjectError(
            f"The page can't listen on {host}, port {ports[0]}: {reason}. Name another one: --host=ADDRESS --port=PORT"
        ) from error
