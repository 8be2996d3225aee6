"""The broker as a process: `kill -9`, SIGTERM, a second broker on one folder, bad configurations."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3

from cosmoformer.local.process import free_port, start_process, stop_process
from tests.cosmoformer.local.knative.running_broker import Client, an_event
from tests.cosmoformer.local.subscriber import Answer, Subscriber, wait_until

REPLY = {"ce-id": "reply", "ce-source": "s", "ce-type": "classified", "ce-specversion": "1.0"}


@contextmanager
def broker_process(folder: Path, **config: Any) -> Iterator[tuple[Client, subprocess.Popen[bytes]]]:
    port = free_port()
    file = folder / "broker.json"
    file.write_text(json.dumps({"port": port, "folder": str(folder / "queue"), **config}))
    argv = [sys.executable, "-m", "cosmoformer.local.knative.broker", "--config", str(file)]
    process = start_process(argv, log=folder / "broker.log")
    try:
        wait_until(lambda: process.poll() is not None or _answers(port))
        yield Client(port), process
    finally:
        stop_process(process)


def _answers(port: int) -> bool:
    try:
        return urllib3.request("GET", f"http://127.0.0.1:{port}/health", retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _trigger(url: str, **fields: Any) -> dict[str, Any]:
    return {"name": "t", "subscriber": url, "delivery": {"backoff_delay_s": 0.05}, **fields}


def test_kill_9_during_delivery_loses_nothing(tmp_path: Path) -> None:
    """Events accepted before `kill -9`, waiting, under way or due for a retry, are delivered after a restart."""
    with Subscriber(Answer(503), Answer(202, after_s=30)) as subscriber:
        triggers = [_trigger(subscriber.url, parallelism=3, delivery={"backoff_delay_s": 1.0})]
        with broker_process(tmp_path, triggers=triggers) as (client, process):
            for number in range(20):
                client.post(an_event(str(number), subject=f"ä{number}"))
            wait_until(lambda: len(subscriber.received) >= 4)
            process.kill()
        subscriber.script = [Answer(202)]
        before = len(subscriber.received)
        with broker_process(tmp_path, triggers=triggers) as (client, _):
            wait_until(client.is_idle)
        assert {item.headers["ce-id"] for item in subscriber.received[before:]} == {str(number) for number in range(20)}


def test_kill_9_keeps_replies_and_dead_letters(tmp_path: Path) -> None:
    """A reply and a dead letter that were stored before `kill -9` reach their places after a restart."""
    with (
        Subscriber(Answer(200, REPLY)) as classify,
        Subscriber(400) as refusing,
        Subscriber(Answer(503)) as listener,
        Subscriber(Answer(503)) as sink,
    ):
        triggers = [
            _trigger(classify.url, name="classify", filter={"type": "image"}),
            _trigger(refusing.url, name="refusing", filter={"type": "image"}, delivery={"dead_letter_url": sink.url}),
            _trigger(listener.url, name="listener", filter={"type": "classified"}),
        ]
        with broker_process(tmp_path, triggers=triggers) as (client, process):
            client.post(an_event(type="image"))
            wait_until(lambda: listener.received and sink.received)
            process.kill()
        listener.script = sink.script = [Answer(202)]
        with broker_process(tmp_path, triggers=triggers) as (client, _):
            wait_until(lambda: client.queue("listener")["delivered"] and client.queue("refusing")["dead_lettered"])
        assert len(classify.received) == 1
        assert sink.received[-1].headers["ce-knativeerrorcode"] == "400"


def test_sigterm_finishes_what_is_under_way(tmp_path: Path) -> None:
    """On SIGTERM the delivery under way ends and counts; the process then exits with status 0."""
    with Subscriber(Answer(202, after_s=0.5)) as subscriber:
        triggers = [_trigger(subscriber.url)]
        with broker_process(tmp_path, triggers=triggers) as (client, process):
            client.post(an_event())
            wait_until(lambda: subscriber.received)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        with broker_process(tmp_path, triggers=triggers) as (client, _):
            assert client.is_idle()
        assert len(subscriber.received) == 1


def test_second_broker_on_the_folder_is_refused(tmp_path: Path) -> None:
    """Two brokers would deliver everything twice, so the second one ends and says so."""
    with broker_process(tmp_path), broker_process(tmp_path) as (_, second):
        assert second.wait(10) == 1
        assert "another broker uses" in (tmp_path / "broker.log").read_text()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"triggers": [{"name": "t"}]}, "broker.json.triggers[0]: member 'subscriber' is missing"),
        ({"trigers": []}, "unknown member 'trigers'. Known are port, folder"),
        ({"triggers": [{"name": "t", "subscriber": "localhost"}]}, "must be an http(s) URL, got 'localhost'"),
        ({"triggers": [_trigger("http://a", parallelism="4")]}, 'parallelism: expected a int, got "4"'),
        ({"triggers": [_trigger("http://a", delivery={"backoff_policy": "cubic"})]}, "one of exponential, linear"),
        ({"triggers": [_trigger("http://a", filters=[{"regex": {}}])]}, "unknown filter dialect 'regex'"),
        ({"triggers": [_trigger("http://a"), _trigger("http://b")]}, "trigger names must be unique"),
    ],
)
def test_bad_configuration_is_named(tmp_path: Path, config: dict[str, Any], words: str) -> None:
    """A configuration error ends the process with a message that names the member at fault."""
    with broker_process(tmp_path, **config) as (_, process):
        assert process.wait(10) == 1
    assert words in (tmp_path / "broker.log").read_text()
