"""The page as an application, whatever its tabs are; and what serves it."""

import contextlib
import errno
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect

from dogs_vs_cats.errors import ParameterError, ProjectError

MAX_CONNECTIONS = 32
"""While so many connections to the page are open, requests get status 503."""

GRACE_SECONDS = 10
"""Time for requests in progress when the program is to end; Docker, too, waits for so long."""

PORTS = range(7860, 7960)
"""The default is the first free one of these."""

LOCAL = ("127.0.0.1", "localhost", "::1", "[::1]")
"""Names of this computer, for itself alone."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
"""A page loads nothing from elsewhere and runs nothing but its own scripts, whatever a file is called."""


def build(*tabs: APIRouter, host: str = LOCAL[0]) -> FastAPI:
    """Builds the application: the tabs, and one line of text for every expected failure.

    Args:
        *tabs: The addresses of each tab.
        host: Address that it will listen on.
    """
    application = FastAPI(openapi_url=None, strict_content_type=True)
    if host in LOCAL:
        # A page from elsewhere could have its own name resolved to this address, and then count as the same site.
        application.add_middleware(TrustedHostMiddleware, allowed_hosts=LOCAL, www_redirect=False)
    application.mount("/static", StaticFiles(directory=Path(__file__).with_name("static")))
    for tab in tabs:
        application.include_router(tab)

    @application.exception_handler(ProjectError)
    def failed(request: Request, error: ProjectError) -> Response:
        return PlainTextResponse(error.message, 400 if isinstance(error, ParameterError) else 500)

    @application.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return PlainTextResponse(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", 400)

    @application.exception_handler(ClientDisconnect)
    def gone(request: Request, error: Exception) -> Response:
        return Response(status_code=499)  # which nobody reads

    return application


def serve(application: FastAPI, listening: socket.socket, max_connections: int) -> None:
    """Serves an application until the process is to end (SIGINT, SIGTERM) and requests in progress are answered.

    Args:
        application: See `build`.
        listening: See `listen`.
        max_connections: While so many connections are open, requests get status 503.
    """
    config = uvicorn.Config(
        application,
        log_level="warning",
        limit_concurrency=max_connections,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    # At its end, uvicorn raises the signal once more.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])


def listen(host: str, ports: Sequence[int]) -> socket.socket:
    """Listens on the first free port; clients that connect wait until an application is served.

    Raises:
        ProjectError: The address or the port isn't available.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, ports[0]), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and len(ports) > 1:
            return listen(host, ports[1:])
        reason = str(error.strerror).partition(" (")[0]  # Python repeats the address in parentheses
        raise ProjectError(
            f"Can't listen on {host}, port {ports[0]}: {reason}. Name another one: --host=ADDRESS --port=PORT"
        ) from error


def address(listening: socket.socket) -> str:
    """The URL at which a browser on this computer reaches a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
