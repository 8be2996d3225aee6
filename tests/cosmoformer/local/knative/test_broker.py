"""The broker against real subscribers: acceptance, the status table, retries, replies, dead letters."""

from __future__ import annotations

import base64
import json
import socket
import sqlite3
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
import urllib3

from cosmoformer.events.cloudevents import Event, parse, to_binary, to_structured
from cosmoformer.local.knative import event_queue
from cosmoformer.local.knative.delivery import STATUS_TABLE, Verdict, verdict_on
from cosmoformer.local.process import free_port
from tests.cosmoformer.local.knative.running_broker import Client, an_event, running_broker, trigger
from tests.cosmoformer.local.subscriber import Answer, Subscriber, wait_until

# "Event Acknowledgement and Delivery Retry" of the data plane contract, read row by row.
CONTRACT = {
    **dict.fromkeys((200, 202, 201, 204, 299), Verdict.DONE),
    **dict.fromkeys((101, 300, 301, 304, 307), Verdict.REFUSED),
    **dict.fromkeys((400, 401, 403, 405, 410, 413, 415, 418, 422, 499), Verdict.REFUSED),
    **dict.fromkeys((404, 408, 409, 429), Verdict.RETRY),
    **dict.fromkeys((500, 501, 502, 503, 504, 599, 600), Verdict.RETRY),
}


@pytest.mark.parametrize("status", CONTRACT)
def test_status_table(tmp_path: Path, status: int) -> None:
    """Each status completes, repeats or ends a delivery as the contract's table says."""
    with Subscriber(status, 202) as subscriber, Subscriber() as sink:
        with running_broker(tmp_path, trigger(subscriber.url, sink.url)) as broker:
            broker.post(an_event())
            wait_until(lambda: broker.queue()["delivered"] or broker.queue()["dead_lettered"])
        requests, dead_letters = {Verdict.DONE: (1, 0), Verdict.RETRY: (2, 0), Verdict.REFUSED: (1, 1)}[
            CONTRACT[status]
        ]
        assert (len(subscriber.received), len(sink.received)) == (requests, dead_letters)


def test_status_table_is_unambiguous() -> None:
    """Every status from 100 to 599 has a row, and the single statuses stand before their class."""
    assert all(any(status in row for row, _ in STATUS_TABLE) for status in range(100, 600))
    assert [status for status in range(400, 500) if verdict_on(status) is Verdict.RETRY] == [404, 408, 409, 429]


@pytest.mark.parametrize("own", ["", "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01"])
def test_a_trace_goes_on_with_the_event(tmp_path: Path, own: str) -> None:
    """A sender's header becomes the event's extension, where that tells no trace; subscribers get both."""
    header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    event = an_event()
    attributes = {**event.attributes, **({"traceparent": own} if own else {})}
    with Subscriber() as subscriber, running_broker(tmp_path, trigger(subscriber.url)) as broker:
        headers, body = to_binary(Event(attributes, event.data))
        answer = urllib3.request("POST", broker.url, headers={**headers, "traceparent": header}, body=body)
        assert answer.status == 202
        wait_until(lambda: subscriber.received)
    received = subscriber.received[0].headers
    assert received["ce-traceparent"] == received["traceparent"] == (own or header)


def test_event_arrives_verbatim(tmp_path: Path) -> None:
    """Attributes, unknown extensions and data bytes reach the subscriber unchanged, with `Prefer: reply`."""
    data = b'{ "a":1,\n "b" : "\xc3\xa4" }\x00\xff'
    event = Event(
        {
            "specversion": "1.0",
            "id": "x/1",
            "source": "/s",
            "type": "t",
            "time": "2024-05-06T07:08:09.000123Z",
            "datacontenttype": "application/json; charset=utf-8",
            "dataschema": "http://schema/1",
            "someextension": 'äöü 100% "quoted" ☃',
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        },
        data,
    )
    with Subscriber() as subscriber, running_broker(tmp_path, trigger(subscriber.url)) as broker:
        broker.post(event)
        wait_until(lambda: subscriber.received)
    received = subscriber.received[0]
    assert received.body == data
    assert parse(received.headers, received.body).attributes == event.attributes
    assert received.headers["prefer"] == "reply"


def test_non_ascii_subject_is_percent_encoded_on_the_wire(tmp_path: Path) -> None:
    """A UTF-8 subject is percent-encoded for the subscriber and decodes to the same text (binding 3.1.3.2)."""
    with Subscriber() as subscriber, running_broker(tmp_path, trigger(subscriber.url)) as broker:
        broker.post(an_event(subject="galaxien/größe 1%.jpg"))
        wait_until(lambda: subscriber.received)
    assert subscriber.received[0].headers["ce-subject"] == "galaxien/gr%C3%B6%C3%9Fe%201%25.jpg"
    assert parse(subscriber.received[0].headers, b"").subject == "galaxien/größe 1%.jpg"


def test_structured_mode_is_accepted(tmp_path: Path) -> None:
    """An event in structured mode is delivered in binary mode with the same attributes and data."""
    event = an_event(subject="ä", partitionkey="7")
    headers, body = to_structured(event)
    with Subscriber() as subscriber, running_broker(tmp_path, trigger(subscriber.url)) as broker:
        assert broker.send(headers, body).status == 202
        wait_until(lambda: subscriber.received)
    arrived = parse(subscriber.received[0].headers, subscriber.received[0].body)
    assert arrived.attributes == event.attributes
    assert arrived.json() == event.json()


@pytest.mark.parametrize("attribute", ["id", "source", "type", "specversion"])
def test_invalid_event_is_named(tmp_path: Path, attribute: str) -> None:
    """An event without a required attribute gets a 400 whose problem JSON names the attribute."""
    headers = {"ce-id": "1", "ce-source": "s", "ce-type": "t", "ce-specversion": "1.0"}
    del headers[f"ce-{attribute}"]
    with running_broker(tmp_path) as broker:
        answer = broker.send(headers, b"")
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert f"'{attribute}'" in answer.json()["detail"]


def test_batch_and_large_bodies_are_refused(tmp_path: Path) -> None:
    """A batch gets 415, a body over the limit 413, and the sender can go on."""
    with running_broker(tmp_path, body_limit_mib=1) as broker:
        batch = broker.send({"Content-Type": "application/cloudevents-batch+json"}, b"[]")
        large = broker.send({"ce-id": "1"}, bytes(3 << 20))
        after = broker.send({}, b"", method="OPTIONS")
    assert (batch.status, large.status, after.status) == (415, 413, 200)
    assert after.headers["Allow"] == "POST, OPTIONS"


def test_chunked_body_is_accepted(tmp_path: Path) -> None:
    """A body in chunked coding, as senders use that do not know its length, arrives whole."""
    headers = {"ce-id": "1", "ce-source": "s", "ce-type": "t", "ce-specversion": "1.0"}
    with Subscriber() as subscriber, running_broker(tmp_path, trigger(subscriber.url)) as broker:
        answer = urllib3.request("POST", broker.url, body=iter([b"one ", b"two"]), headers=headers)
        assert answer.status == 202
        wait_until(lambda: subscriber.received)
    assert subscriber.received[0].body == b"one two"


def test_filters_select_triggers(tmp_path: Path) -> None:
    """Each trigger gets the events its filter matches, and an event that nobody wants is accepted and forgotten."""
    with Subscriber() as put, Subscriber() as created:
        triggers = (
            trigger(put.url, name="put", filter={"type": "com.amazonaws.s3.ObjectCreated:Put"}),
            trigger(created.url, name="created", filters=({"prefix": {"type": "com.amazonaws.s3.ObjectCreated:"}},)),
        )
        with running_broker(tmp_path, *triggers) as broker:
            for number, kind in enumerate(("Put", "Post", "Copy")):
                broker.post(an_event(str(number), type=f"com.amazonaws.s3.ObjectCreated:{kind}"))
            broker.post(an_event("3", type="com.amazonaws.s3.ObjectRemoved:Delete"))
            wait_until(lambda: len(created.received) == 3 and len(put.received) == 1)
            wait_until(lambda: broker.is_idle("put") and broker.is_idle("created"))
        assert put.ids() == ["0"]
        assert sorted(created.ids()) == ["0", "1", "2"]


def test_exponential_backoff(tmp_path: Path) -> None:
    """The waits between attempts double."""
    with Subscriber(500, 500, 500, 202) as subscriber:
        once = trigger(subscriber.url, delivery={"backoff_delay_s": 0.1})
        with running_broker(tmp_path, once) as broker:
            broker.post(an_event())
            wait_until(lambda: broker.queue()["delivered"])
    times = [item.at for item in subscriber.received]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(gap >= expected for gap, expected in zip(gaps, (0.1, 0.2, 0.4), strict=True)), gaps


def test_linear_backoff() -> None:
    """The linear policy waits one delay more after every attempt."""
    spec = trigger("http://127.0.0.1:1/", delivery={"backoff_policy": "linear", "backoff_delay_s": 2}).delivery
    assert [spec.wait_s(attempts) for attempts in (1, 2, 3)] == [2, 4, 6]


def test_retry_after_is_honoured_up_to_the_cap(tmp_path: Path) -> None:
    """A subscriber's Retry-After lengthens the wait, but not beyond `retry_after_max_s`."""
    with Subscriber(Answer(503, {"Retry-After": "1"}), Answer(429, {"Retry-After": "3600"}), 202) as subscriber:
        patient = trigger(subscriber.url, delivery={"retry_after_max_s": 1.2})
        with running_broker(tmp_path, patient) as broker:
            broker.post(an_event())
            wait_until(lambda: broker.queue()["delivered"])
    first, second, third = (item.at for item in subscriber.received)
    assert 1.0 <= second - first < 2.0
    assert 1.2 <= third - second < 2.5


def test_waiting_retry_does_not_hold_up_others(tmp_path: Path) -> None:
    """While one event waits for its retry, the next one is delivered by the same single worker."""
    with Subscriber(503, 202) as subscriber:
        slow = trigger(subscriber.url, parallelism=1, delivery={"backoff_delay_s": 0.5})
        with running_broker(tmp_path, slow) as broker:
            broker.post(an_event("first"))
            wait_until(lambda: subscriber.received)
            broker.post(an_event("second"))
            wait_until(lambda: len(subscriber.received) == 3)
    assert subscriber.ids() == ["first", "second", "first"]


def test_dead_letter_says_why(tmp_path: Path) -> None:
    """After the last retry the dead letter carries destination, status and the answer's body, else the event as it was."""
    with Subscriber(Answer(500, body=b"out of\nmemory")) as subscriber, Subscriber() as sink:
        with running_broker(tmp_path, trigger(subscriber.url, sink.url, retry=2)) as broker:
            broker.post(an_event("e", data={"k": 1}))
            wait_until(lambda: broker.queue()["dead_lettered"])
        assert len(subscriber.received) == 3
    letter = parse(sink.received[0].headers, sink.received[0].body)
    assert letter.attributes["knativeerrordest"] == subscriber.url
    assert letter.attributes["knativeerrorcode"] == "500"
    assert base64.b64decode(letter.attributes["knativeerrordata"]) == b"out of\nmemory"
    assert (letter.id, letter.json()) == ("e", {"k": 1})
    assert "prefer" not in sink.received[0].headers


def test_long_error_data_is_cut(tmp_path: Path) -> None:
    """The error data of a dead letter is at most 1,024 characters, and still decodes."""
    with (
        Subscriber(Answer(400, body=b"x" * 5000)) as subscriber,
        Subscriber() as sink,
        running_broker(tmp_path, trigger(subscriber.url, sink.url)) as broker,
    ):
        broker.post(an_event())
        wait_until(lambda: broker.queue()["dead_lettered"])
    data = parse(sink.received[0].headers, b"").attributes["knativeerrordata"]
    assert len(data) == 1024
    assert base64.b64decode(data) == b"x" * 768


def test_unreachable_and_silent_subscribers_are_retried_then_dead_letters(tmp_path: Path) -> None:
    """A refused connection and an answer that does not come in time are failures with code 500, after retries."""
    with Subscriber(Answer(202, after_s=1.0)) as silent, Subscriber() as sink:
        triggers = (
            trigger(f"http://127.0.0.1:{free_port()}/", sink.url, name="unreachable", retry=1),
            trigger(silent.url, sink.url, name="silent", retry=1, delivery={"timeout_s": 0.2}),
        )
        with running_broker(tmp_path, *triggers) as broker:
            broker.post(an_event())
            wait_until(lambda: len(sink.received) == 2)
        assert len(silent.received) == 2
    assert [item.headers["ce-knativeerrorcode"] for item in sink.received] == ["500", "500"]
    letters = [parse(item.headers, item.body).attributes for item in sink.received]
    said = {letter["knativeerrordest"]: base64.b64decode(letter["knativeerrordata"]) for letter in letters}
    assert b"did not answer within 0.2 s" in said.pop(silent.url)
    assert b"Connection refused" in said.popitem()[1]


def test_sink_that_is_down_gets_the_letter_later(tmp_path: Path) -> None:
    """A dead letter waits, visibly, until its sink is up, however many attempts that takes."""
    port = free_port()
    with Subscriber(400) as subscriber:
        letters = trigger(subscriber.url, f"http://127.0.0.1:{port}/", retry=0)
        with running_broker(tmp_path, letters) as broker:
            broker.post(an_event())
            wait_until(lambda: broker.queue()["dead_letters_waiting"] == 1)
            time.sleep(0.3)  # several attempts, more than `retry` allows a subscriber
            assert broker.queue()["dead_letters_waiting"] == 1
            with Subscriber(403, 500, 202, port=port) as sink:
                wait_until(lambda: broker.queue()["dead_lettered"] == 1)
                wait_until(broker.is_idle)
                assert len(sink.received) == 3
            assert len(subscriber.received) == 1


def test_letter_that_its_sink_will_never_take_is_set_aside(tmp_path: Path) -> None:
    """Its one refusal is enough: it stays in the broker, over a restart too, is listed with the reason, and can be forgotten."""
    with Subscriber(431) as subscriber, Subscriber(Answer(431, body=b"headers too large"), 202) as sink:
        letters = trigger(subscriber.url, sink.url, retry=0)
        usual = an_event(data={"k": 1})
        long = Event({**usual.attributes, "id": "x" * 60_000}, usual.data)
        with running_broker(tmp_path, letters) as broker:
            broker.send(*to_structured(long))
            wait_until(lambda: broker.queue()["set_aside"] == 1)
            broker.post(an_event("next"))
            wait_until(lambda: broker.queue()["dead_lettered"] == 1)
            assert len(sink.received) == 2
        with running_broker(tmp_path, letters) as broker:
            assert broker.is_idle()
            (kept,) = broker.set_aside()
            assert kept["event"]["id"] == "x" * 200
            assert kept["error"] == {"dest": sink.url, "code": 431, "data": "headers too large"}
            assert broker.forget(kept["key"]).status == 204
            assert broker.forget(kept["key"]).status == 404
            assert broker.queue()["set_aside"] == 0
        assert len(sink.received) == 2


def test_what_is_set_aside_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many letters that nobody takes the latest are kept, within a number and a number of bytes."""
    monkeypatch.setattr(event_queue, "MOST_SET_ASIDE", 3)
    monkeypatch.setattr(event_queue, "MOST_SET_ASIDE_BYTES", 5000)
    with (
        Subscriber(400) as subscriber,
        Subscriber(400) as sink,
        running_broker(tmp_path, trigger(subscriber.url, sink.url, parallelism=1)) as broker,
    ):

        def set_aside_after(*events: Event) -> list[str]:
            before = len(sink.received)
            for event in events:
                broker.post(event)
            wait_until(lambda: len(sink.received) == before + len(events) and broker.is_idle())
            return [letter["event"]["id"] for letter in broker.set_aside()]

        assert set_aside_after(*(an_event(str(number)) for number in range(5))) == ["4", "3", "2"]
        assert set_aside_after(an_event("large", data={"k": "v" * 4800})) == ["large"]


def test_without_a_sink_the_event_is_dropped_and_counted(tmp_path: Path) -> None:
    """Without a dead-letter sink an undeliverable event is dropped, as Knative does, and the count says so."""
    with Subscriber(400) as subscriber, running_broker(tmp_path, trigger(subscriber.url)) as broker:
        broker.post(an_event())
        wait_until(lambda: broker.queue()["dropped"] == 1)
        wait_until(broker.is_idle)


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_reply_is_routed(tmp_path: Path, mode: str) -> None:
    """An event in a 200 is stored and goes to the triggers that want it, in either mode."""
    body = b'{"class":"spiral"}'
    headers = {"ce-id": "r", "ce-source": "classify", "ce-type": "classified", "ce-specversion": "1.0"}
    if mode == "structured":
        body = json.dumps({**{name[3:]: text for name, text in headers.items()}, "data": {"class": "spiral"}}).encode()
        headers = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
    with Subscriber(Answer(200, headers, body)) as classify, Subscriber() as listener:
        triggers = (
            trigger(classify.url, name="classify", filter={"type": "image"}),
            trigger(listener.url, name="listener", filter={"type": "classified"}),
        )
        with running_broker(tmp_path, *triggers) as broker:
            broker.post(an_event(type="image"))
            wait_until(lambda: broker.queue("listener")["delivered"] == 1)
    assert listener.ids() == ["r"]
    assert json.loads(listener.received[0].body) == {"class": "spiral"}
    assert len(classify.received) == 1


def test_body_of_202_is_never_a_reply(tmp_path: Path) -> None:
    """An event in a 202 is not routed."""
    headers = {"ce-id": "r", "ce-source": "s", "ce-type": "reply", "ce-specversion": "1.0"}
    with Subscriber(Answer(202, headers, b"{}")) as subscriber, Subscriber() as listener:
        triggers = (
            trigger(subscriber.url, filter={"type": "image"}),
            trigger(listener.url, name="listener", filter={"type": "reply"}),
        )
        with running_broker(tmp_path, *triggers) as broker:
            broker.post(an_event(type="image"))
            wait_until(lambda: broker.queue()["delivered"] == 1)
            assert broker.is_idle("listener")
    assert not listener.received


@pytest.mark.parametrize("headers", [{"Content-Type": "text/html"}, {"ce-id": "r", "ce-specversion": "1.0"}])
def test_2xx_with_a_body_that_is_no_event_is_a_failure(tmp_path: Path, headers: dict[str, str]) -> None:
    """A 200 whose body is no CloudEvent, or an invalid one, is retried and ends as a dead letter with code 502."""
    with Subscriber(Answer(200, headers, b"OK")) as subscriber, Subscriber() as sink:
        with running_broker(tmp_path, trigger(subscriber.url, sink.url, retry=1)) as broker:
            broker.post(an_event())
            wait_until(lambda: broker.queue()["dead_lettered"] == 1)
        assert len(subscriber.received) == 2
    assert sink.received[0].headers["ce-knativeerrorcode"] == "502"


def test_reply_loop_is_cut(tmp_path: Path) -> None:
    """A subscriber that answers every event with one for itself is stopped at the hop limit, visibly."""
    again = {"ce-id": "again", "ce-source": "s", "ce-type": "ping", "ce-specversion": "1.0"}
    with Subscriber(Answer(200, again)) as subscriber, Subscriber() as sink:
        with running_broker(tmp_path, trigger(subscriber.url, sink.url), hop_limit=5) as broker:
            broker.post(an_event(type="ping"))
            wait_until(lambda: broker.queue()["dead_lettered"] == 1)
            wait_until(broker.is_idle)
        assert len(subscriber.received) == 6
    assert sink.received[0].headers["ce-knativeerrorcode"] == "508"


def test_parallelism_is_the_limit(tmp_path: Path) -> None:
    """A trigger has as many deliveries under way as its parallelism says, no more."""
    with (
        Subscriber(Answer(202, after_s=0.1)) as subscriber,
        running_broker(tmp_path, trigger(subscriber.url, parallelism=3)) as broker,
    ):
        for number in range(9):
            broker.post(an_event(str(number)))
        wait_until(lambda: broker.queue()["delivered"] == 9)
    assert subscriber.most_at_once == 3


def test_a_thousand_queued_events_drain(tmp_path: Path) -> None:
    """A thousand events from several senders are all delivered, once each, and the file holds none afterwards."""
    with Subscriber() as subscriber, running_broker(tmp_path, trigger(subscriber.url, parallelism=8)) as broker:

        def send(numbers: range) -> None:
            for number in numbers:
                broker.post(an_event(str(number)))

        senders = [threading.Thread(target=send, args=(range(start, 1000, 8),)) for start in range(8)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        wait_until(lambda: broker.queue()["delivered"] == 1000, 30)
        assert sorted(map(int, subscriber.ids())) == list(range(1000))
        with sqlite3.connect(tmp_path / "events.sqlite") as file:
            assert file.execute("SELECT (SELECT COUNT(*) FROM event) + (SELECT COUNT(*) FROM delivery)").fetchone() == (
                0,
            )


def test_stop_leaves_the_rest_for_the_next_run(tmp_path: Path) -> None:
    """Stopping lets the delivery under way end; what still waits is delivered by the next broker on the folder."""
    with Subscriber(Answer(202, after_s=0.3)) as subscriber:
        one_at_a_time = trigger(subscriber.url, parallelism=1)
        with running_broker(tmp_path, one_at_a_time) as broker:
            for number in range(3):
                broker.post(an_event(str(number)))
            wait_until(lambda: subscriber.received)
        assert subscriber.ids() == ["0"]
        with running_broker(tmp_path, one_at_a_time) as broker:
            wait_until(lambda: broker.queue()["delivered"] == 2)
    assert subscriber.ids() == ["0", "1", "2"]


def test_a_restart_does_not_wait_for_a_retry(tmp_path: Path) -> None:
    """What was to be tried again in a minute is tried at once by the next run, which counts its attempts anew."""
    with Subscriber(Answer(503, {"Retry-After": "60"}), 503, 202) as subscriber:
        for attempts in (1, 3):
            with running_broker(tmp_path, trigger(subscriber.url, retry=1)) as broker:
                if attempts == 1:
                    broker.post(an_event())
                wait_until(lambda attempts=attempts: len(subscriber.received) == attempts)  # type: ignore[misc]
        assert subscriber.ids() == ["1"] * 3


def test_events_of_a_removed_trigger_are_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Deliveries of a trigger that is not configured any more wait until it is again, and a warning says so."""
    with Subscriber(503, 202) as subscriber:
        later = trigger(subscriber.url, delivery={"backoff_delay_s": 0.3})
        with running_broker(tmp_path, later) as broker:
            broker.post(an_event())
            wait_until(lambda: subscriber.received)
        with running_broker(tmp_path):
            assert "trigger 't' has undelivered events" in caplog.text
        with running_broker(tmp_path, later) as broker:
            wait_until(lambda: broker.queue()["delivered"] == 1)


def test_event_that_cannot_be_stored_is_not_accepted(tmp_path: Path) -> None:
    """When the file takes no more, the sender gets 503 and keeps the event."""
    with Subscriber() as subscriber, running_broker(tmp_path, trigger(subscriber.url)) as broker:
        with sqlite3.connect(tmp_path / "events.sqlite") as file:
            file.execute("ALTER TABLE event RENAME TO broken")
        headers, body = to_structured(an_event())
        answer = broker.send(headers, body)
        assert (answer.status, "could not be stored" in answer.json()["detail"]) == (503, True)
        with sqlite3.connect(tmp_path / "events.sqlite") as file:
            file.execute("ALTER TABLE broken RENAME TO event")
        assert broker.send(headers, body).status == 202
        wait_until(lambda: subscriber.received)


def test_unknown_paths_and_methods(tmp_path: Path) -> None:
    """Other paths get 404 and other methods 405, as problem JSON; /health answers 200."""
    with running_broker(tmp_path) as broker:
        answers = [
            urllib3.request(method, broker.url + path, retries=False)
            for method, path in (("GET", "elsewhere"), ("GET", ""), ("PUT", ""), ("GET", "health"))
        ]
    assert [answer.status for answer in answers] == [404, 405, 405, 200]
    assert answers[0].json()["status"] == 404


def test_sender_that_breaks_off_leaves_no_event(tmp_path: Path) -> None:
    """A body shorter than announced is not stored as an event."""
    with Subscriber() as subscriber, running_broker(tmp_path, trigger(subscriber.url)) as broker:
        head = (
            b"POST / HTTP/1.1\r\nHost: localhost\r\nce-id: 1\r\nce-source: s\r\nce-type: t\r\nce-specversion: 1.0\r\n"
        )
        with socket.create_connection(("127.0.0.1", _port(broker))) as sender:
            sender.sendall(head + b"Content-Length: 100\r\n\r\nhalf")
            sender.shutdown(socket.SHUT_WR)
            assert sender.recv(1000) == b""
        wait_until(broker.is_idle)
    assert not subscriber.received


def _port(broker: Client) -> int:
    return urllib3.util.parse_url(broker.url).port or 0


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:1", 200),
        ("127.0.0.1", 200),
        ("[::1]:80", 200),
        ("evil.example:80", 403),
        ("127.0.0.1.evil.example", 403),
    ],
)
def test_another_name_is_refused(host: str, status: int, tmp_path: Path) -> None:
    """A page whose name leads to this machine reads nothing of the queue."""
    with running_broker(tmp_path) as broker:
        answer = urllib3.request("GET", broker.url + "queue", headers={"Host": host}, retries=False)
        assert answer.status == status
