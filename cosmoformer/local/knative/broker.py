"""A broker for one machine with the delivery rules of Knative's: accepts CloudEvents, stores them, delivers them.

    python -m cosmoformer.local.knative.broker --config broker.json

| request | answer |
| --- | --- |
| ``POST /`` with a CloudEvent, binary or structured | 202 once it is on disk; 400 naming the bad attribute |
| ``OPTIONS /`` | ``Allow`` |
| ``GET /health`` | 200 |
| ``GET /set-aside`` | JSON: dead letters that their sink refuses for good; kept here, and not tried any more |
| ``DELETE /set-aside/<number>`` | 204 once such a letter is forgotten |
| ``GET /queue`` | JSON: per trigger what is waiting, under way, delivered, dead-lettered, and how old the oldest is |
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from werkzeug.wrappers import Request, Response

from cosmoformer import logs, tracing
from cosmoformer.errors import BrokerUnavailable, CosmoFormerError, SettingsError
from cosmoformer.events.cloudevents import parse
from cosmoformer.http.problems import MethodNotAllowed, NoSuchPath
from cosmoformer.http.server import HttpServer, Limits, serve_until_signalled
from cosmoformer.http.wsgi import application, check_name, json_response
from cosmoformer.local.config import load, require
from cosmoformer.local.folder_lock import holding
from cosmoformer.local.knative.dispatcher import Dispatcher
from cosmoformer.local.knative.event_queue import EventQueue, SetAside
from cosmoformer.local.knative.triggers import Trigger
from cosmoformer.memory import use_one_arena
from cosmoformer.timestamps import rfc3339

_log = logging.getLogger(__name__)
_END_IT = "End it, or configure another folder"
_SET_ASIDE = "/set-aside"
_METHODS = {
    "/": ("POST", "OPTIONS"),
    "/health": ("GET", "HEAD"),
    "/queue": ("GET", "HEAD"),
    _SET_ASIDE: ("GET", "HEAD"),
}
_THREADS = 32
_SHOWN = 200  # characters of each attribute of a letter that is set aside: their length may be what is wrong with it


@dataclass(frozen=True)
class BrokerConfig:
    """Configuration of a broker.

    Attributes:
        port: where it listens.
        folder: where events are kept; one broker at a time.
        triggers: the subscriptions.
        host: address it listens on.
        hop_limit: replies that may follow from one event before the chain is taken for a loop.
        body_limit_mib: largest request body, in MiB.
        stop_deadline_s: how long deliveries under way may take to end after SIGTERM.
    """

    port: int
    folder: Path
    triggers: tuple[Trigger, ...] = ()
    host: str = "127.0.0.1"
    hop_limit: int = 16
    body_limit_mib: int = 64
    stop_deadline_s: float = 10.0

    def __post_init__(self) -> None:
        names = [trigger.name for trigger in self.triggers]
        twice = sorted({name for name in names if names.count(name) > 1})
        require(not twice, f"trigger names must be unique, got {', '.join(twice)} more than once")


class Broker:
    """A running broker.

    Raises:
        SettingsError: the port is taken.
    """

    def __init__(self, config: BrokerConfig) -> None:
        self._config = config
        self.queue = EventQueue(config.folder)
        self.dispatcher = Dispatcher(self.queue, config.triggers, config.hop_limit)
        limits = Limits(body_bytes=config.body_limit_mib << 20, held_bytes=config.body_limit_mib << 22)
        self.server = HttpServer(application(self._answer), config.host, config.port, _THREADS, limits)
        self.dispatcher.start()

    def stop(self) -> None:
        """Stop accepting, let what is under way end, and keep the rest for the next run."""
        in_time = self.server.stop(self._config.stop_deadline_s)
        if self.dispatcher.stop(self._config.stop_deadline_s) and in_time:
            self.queue.close()
        else:
            _log.warning("some deliveries did not end in time; they will be made again")

    def _answer(self, request: Request) -> Response:
        check_name(request)
        path = request.path
        if request.method == "DELETE" and path.startswith(f"{_SET_ASIDE}/"):
            return self._forget(path.removeprefix(f"{_SET_ASIDE}/"))
        if path not in _METHODS:
            raise NoSuchPath(f"nothing is served under {path}", f"Served are {', '.join(_METHODS)}")
        if request.method == "OPTIONS":
            return Response(headers={"Allow": ", ".join(_METHODS[path])})
        if request.method not in _METHODS[path]:
            raise MethodNotAllowed(f"{path} takes {', '.join(_METHODS[path])}, got {request.method}")
        if path == "/":
            return self._accept(request)
        if path == "/health":
            return json_response({"status": "ok"})
        if path == _SET_ASIDE:
            return json_response({"set_aside": [_summary(letter) for letter in self.queue.all_set_aside()]})
        return json_response({"triggers": self.dispatcher.snapshot()})

    def _forget(self, number: str) -> Response:
        if not (
            number.isascii() and number.isdecimal() and len(number) < 19 and self.queue.forget_set_aside(int(number))
        ):
            raise NoSuchPath(f"no letter {number[:20]!r} is set aside", f"GET {_SET_ASIDE} lists them")
        return Response(status=204)

    def _accept(self, request: Request) -> Response:
        if self.server.stopping:
            raise BrokerUnavailable("the broker is about to end")
        headers = dict(request.headers.items())
        event, trace = parse(headers, request.get_data()), tracing.read(headers)
        # As Knative's brokers do, so that the trace of a sender who knows headers alone goes on with the event.
        told = tracing.with_trace(event.attributes, trace.members() if trace else {})
        self.dispatcher.accept(replace(event, attributes=told))
        return Response(status=202)


def _summary(letter: SetAside) -> dict[str, object]:
    """A letter without its event's data, in the shape of ingest's dead letters."""
    failure = letter.failure
    return {
        "key": f"{_SET_ASIDE[1:]}/{letter.id}",
        "trigger": letter.trigger,
        "event": {name: text[:_SHOWN] for name, text in letter.event.attributes.items()},
        "error": {"dest": failure.destination, "code": failure.code, "data": failure.text()},
        "received": rfc3339(datetime.fromtimestamp(letter.since, UTC), "microseconds"),
    }


def main() -> None:
    """Run a broker until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m cosmoformer.local.knative.broker", description="Run a local broker."
    )
    parser.add_argument("--config", type=Path, required=True, help="JSON file with the fields of BrokerConfig")
    logs.configure()
    use_one_arena()
    try:
        config = load(BrokerConfig, parser.parse_args().config)
        with holding(config.folder, SettingsError(f"another broker uses {config.folder}", _END_IT)):
            broker = Broker(config)
            _log.info("broker listens on %s:%s", config.host, config.port)
            serve_until_signalled(broker.server)
            broker.stop()
    except CosmoFormerError as error:
        raise SystemExit(f"broker: {error}") from None


if __name__ == "__main__":
    main()
