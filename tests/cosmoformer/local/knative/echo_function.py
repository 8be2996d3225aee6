"""A small function as a real process: `python echo_function.py PORT`.

`POST /work?s=0.2` takes that long, `POST /hang-up` gets no answer; every other answer says which process gave it and
what it was sent. The environment variables NEVER_READY and CRASH make it a bad one.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

at_once = 0
most_at_once = 0
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_request(self) -> None:
        global at_once, most_at_once
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/health/"):
            self.answer(503 if os.environ.get("NEVER_READY") else 200, {})
            return
        if self.path == "/hang-up":
            self.close_connection = True
            return
        with lock:
            at_once += 1
            most_at_once = max(most_at_once, at_once)
        time.sleep(float(self.path.partition("?s=")[2] or 0))
        with lock:
            at_once -= 1
        print("answered", self.path, flush=True)
        self.answer(
            418 if self.path.startswith("/teapot") else 200,
            {
                "pid": os.getpid(),
                "port": os.environ["PORT"],
                "service": os.environ["K_SERVICE"],
                "method": self.command,
                "path": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "body": body.decode("latin-1"),
                "most_at_once": most_at_once,
            },
        )

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = handle_request  # noqa: N815

    def answer(self, status: int, members: dict[str, object]) -> None:
        body = json.dumps(members).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Own", "one")
        self.send_header("X-Own", "two")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


if __name__ == "__main__":
    print("still loading the model", flush=True)
    if os.environ.get("CRASH"):
        sys.exit("no such model")
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
