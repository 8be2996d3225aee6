"""The terminal display of a running system: addresses, state and the latest results.

The console subscribes to the broker like anybody else: results reach it as reply events of the classify function.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from datetime import datetime
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text
from werkzeug.wrappers import Request, Response

from cosmoformer.errors import InvalidRequest
from cosmoformer.events.cloudevents import parse
from cosmoformer.http.server import HttpServer, Limits
from cosmoformer.http.wsgi import application
from cosmoformer.storage.headlines import headline, mark_of
from cosmoformer.storage.result_shape import is_result
from cosmoformer.storage.results import Result
from cosmoformer.text import printable

SHOWN = 15
_THREADS = 2


class ResultsConsole:
    """A live table of results on a terminal, or one line a result where there is none.

    Args:
        console: where to print.
        port: port of loopback that takes the events.
    """

    def __init__(self, console: Console, port: int) -> None:
        self._console = console
        self._latest: deque[Result] = deque(maxlen=SHOWN)
        self._counts: Counter[str] = Counter()
        self._seen: deque[str] = deque(maxlen=10_000)
        self._state, self._note = "", ""
        self._live: Live | None = None
        self._lock = threading.Lock()
        self._server = HttpServer(application(self._take), "127.0.0.1", port, _THREADS, Limits())
        self.url = f"http://127.0.0.1:{port}"
        self._server.start("console")

    def start(self) -> None:
        """Begin to draw."""
        if self._console.is_terminal:
            self._live = Live(get_renderable=self._draw, console=self._console, refresh_per_second=4, transient=False)
            self._live.start()

    def stop(self) -> None:
        """End drawing and listening."""
        if self._live:
            self._live.stop()
        self._server.stop(1.0)

    def show_state(self, state: str) -> None:
        """Show what the system is doing now."""
        self._state = state

    def note(self, text: str) -> None:
        """Tell of something that happened to a part of the system."""
        self._note = text
        if not self._live:
            self._console.print(text, style="yellow")

    def add(self, event_id: str, result: Result) -> None:
        """Take a result; one that came before, by its event's id, changes nothing."""
        with self._lock:
            if event_id in self._seen:
                return
            self._seen.append(event_id)
            self._latest.appendleft(result)
            self._counts[_class_of(result)] += 1
        if not self._live:
            self._console.print(_line(result), highlight=False, soft_wrap=True)

    def _take(self, request: Request) -> Response:
        if request.method == "POST":
            event = parse(dict(request.headers.items()), request.get_data())
            result = event.json()
            if not is_result(result):
                raise InvalidRequest(f"expected a result as the data of the event, got {len(event.data)} bytes")
            try:
                _cells(result)
            except (
                ArithmeticError,
                KeyError,
                TypeError,
                ValueError,
            ) as error:  # a time that is none, a number out of bounds
                raise InvalidRequest(f"the result cannot be shown: {error}") from None
            self.add(event.id, result)
        return Response(status=202)

    def _draw(self) -> Group:
        with self._lock:
            rows, counts = list(self._latest), dict(self._counts.most_common())
        table = Table(title=None, expand=True, show_edge=False, header_style="bold")
        table.add_column("image", ratio=4, no_wrap=True, overflow="ellipsis")
        table.add_column("class", ratio=2, no_wrap=True)
        table.add_column("probability", min_width=22, no_wrap=True)
        table.add_column("model", justify="right", width=6)
        table.add_column("s", justify="right", width=6)
        table.add_column("at", width=8)
        for result in rows:
            table.add_row(*_cells(result))
        tally = "   ".join(f"{name} {count}" for name, count in counts.items()) or "no results yet: drop an image"
        lines = [Text(tally, style="bold cyan"), Text(self._state, style="dim"), Text(self._note, style="yellow")]
        return Group(table, *(line for line in lines if line.plain))


def _class_of(result: Result) -> str:
    """The class; the task of what has none; or that it was rejected."""
    prediction = result["prediction"]
    return str(prediction.get("class", prediction["task"])) if prediction else "rejected"


def _cells(result: Result) -> tuple[Text, ...]:
    name = Text(printable(result["image"]["key"] or "(sent by itself)"))
    at = datetime.fromisoformat(result["finished"]).astimezone().strftime("%H:%M:%S")
    if result["prediction"] is None:
        reason = Text(printable(result["rejection"]["reason"]), style="red", overflow="ellipsis")
        return name, Text("rejected", style="red"), reason, Text(""), Text(f"{result['seconds']:.2f}"), Text(at)
    version = Text(f"v{result['model']['version']}")
    seconds = Text(f"{result['seconds']:.2f}")
    return name, Text(_class_of(result)), _answer(result["prediction"]), version, seconds, Text(at)


def _answer(prediction: dict[str, Any]) -> Text:
    """How likely the class is, as a bar; or the values of a task that is no classification."""
    if "class" not in prediction:
        return Text(headline(prediction), overflow="ellipsis")
    bar = "█" * round(10 * min(1, prediction["confidence"]))
    mark = mark_of(prediction)
    likely = Text(f"{bar:<10} {prediction['confidence']:.2f}", style="yellow" if mark else "green")
    return likely.append(f" {mark}") if mark else likely


def _line(result: Result) -> Text:
    return Text("  ").join(_cells(result))
