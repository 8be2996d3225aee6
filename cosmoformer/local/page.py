"""The upload page: the files of ``web/``, and a ``config.json`` that names the servers which the page talks to.

    python -m cosmoformer.local.page --port 8080 --api http://127.0.0.1:8081 --store http://127.0.0.1:7480

In a container, where none of these is given, the settings say the same.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import click
from werkzeug.wrappers import Request, Response

from cosmoformer import logs, settings
from cosmoformer.errors import SettingsError
from cosmoformer.http.problems import MethodNotAllowed, NoSuchPath
from cosmoformer.http.server import HttpServer, Limits, serve_until_signalled
from cosmoformer.http.wsgi import application, refusal

_log = logging.getLogger(__name__)
_PACKAGE = Path(__file__).resolve().parents[1]
# In an installed package, and in a checkout.
_FOLDERS = (_PACKAGE / "web", _PACKAGE.parent / "web")
# The system's own table of types is not asked: it may say text/plain for a module, which browsers then refuse to run.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
}
_DRAIN_S = 1.0
_THREADS = 8
_LIMITS = Limits(body_bytes=0)  # the page is only read


def web_folder() -> Path:
    """The folder of the page's files.

    Raises:
        SettingsError: neither the package nor the checkout holds it.
    """
    for folder in _FOLDERS:
        if (folder / "index.html").is_file():
            return folder
    places = " and ".join(str(folder) for folder in _FOLDERS)
    raise SettingsError(f"the upload page was looked for in {places} and is in neither", "Install cosmoformer anew")


def configuration(folder: Path, api: str, max_bytes: int | None = None) -> bytes:
    """The page's ``config.json``: the one in the folder, with what this machine knows better."""
    sample = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    known = {"api": api.rstrip("/"), "max_bytes": max_bytes}
    return json.dumps(sample | {name: value for name, value in known.items() if value is not None}).encode()


def security_headers(api: str, *stores: str) -> dict[str, str]:
    """Headers of every answer: the page runs its own code only and talks to ingest and the store only.

    Args:
        api: URL of the ingest function.
        stores: URL of the object store, as browsers reach it; or one for each bucket that has a host name of its own.

    Raises:
        SettingsError: one of them is no http or https URL.
    """
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "worker-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' blob:",
        "connect-src": " ".join(["'self'", *map(_origin, (api, *stores))]),
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        # Markup cannot be made from text, such as a file's name, even by mistake. The one policy names the workers' scripts.
        "require-trusted-types-for": "'script'",
        "trusted-types": "workers",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }


def _origin(url: str) -> str:
    parts = urlsplit(url)
    # Anything else in it could add directives to the policy.
    if parts.scheme not in ("http", "https") or not parts.netloc or set(parts.netloc) & set(" ;,'\"@"):
        raise SettingsError(f"expected a URL such as http://127.0.0.1:8081, got {url!r}")
    return f"{parts.scheme}://{parts.netloc}"


class PageServer(HttpServer):
    """Serves the page.

    Args:
        port: TCP port; 0 takes a free one.
        folder: the page's files; what is added to it later is not served.
        config: content of ``/config.json``.
        headers: added to every answer.
        host: address to listen on.
    """

    def __init__(
        self, port: int, folder: Path, config: bytes, headers: Mapping[str, str], host: str = "127.0.0.1"
    ) -> None:
        files = (path for path in folder.rglob("*") if path.suffix in _TYPES and path.is_file())
        # Only these paths exist, so no request can name another file.
        self.files = {f"/{path.relative_to(folder).as_posix()}": path for path in files}
        self.files["/"] = folder / "index.html"
        self.config = config
        super().__init__(application(self._answer), host, port, _THREADS, _LIMITS, headers)

    def _answer(self, request: Request) -> Response:
        response = self._file(request)
        response.headers.extend(self.headers)
        return response

    def _file(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return refusal(MethodNotAllowed(f"the page is only read, {request.method} was asked for"))
        if request.path not in self.files:
            return refusal(NoSuchPath(f"the page has no file {request.path!r}"))
        file = self.files[request.path]
        content = self.config if request.path == "/config.json" else file.read_bytes()
        return Response(content, content_type=_TYPES[file.suffix])


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=8080, show_default=True, help="Port to listen on.")
@click.option("--api", help="URL of the ingest function; INGEST_URL if not given.")
@click.option(
    "--store", multiple=True, help="URL of the object store, as browsers reach it; S3_PUBLIC_ENDPOINT_URL if not given."
)
@click.option("--max-bytes", type=int, help="Largest image file; MAX_IMAGE_BYTES if not given.")
def main(host: str, port: int, api: str | None, store: tuple[str, ...], max_bytes: int | None) -> None:
    """Serve the upload page until a signal comes."""
    logs.configure()
    try:
        known, folder = settings.load(), web_folder()
        api = api or known.ingest_url
        config = configuration(folder, api, max_bytes or known.max_image_bytes)
        headers = security_headers(api, *(store or known.store_origins))
    except SettingsError as error:
        _log.critical("cannot start", extra={"problem": str(error)})
        sys.exit(1)
    server = PageServer(port, folder, config, headers, host)
    serve_until_signalled(server)
    server.stop(_DRAIN_S)


if __name__ == "__main__":
    main()
