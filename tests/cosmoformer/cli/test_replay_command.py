"""``cosmoformer replay`` at the real ingest function."""

from __future__ import annotations

import json

import pytest

from cosmoformer.storage.store import Store
from tests.cosmoformer.cli.conftest import Cli, kept_letters
from tests.cosmoformer.local.knative.running_broker import Client, an_event
from tests.cosmoformer.local.subscriber import Answer, Subscriber, wait_until


def test_replay_lists_dead_letters_with_their_reason(system: Cli, store: Store) -> None:
    """The list says what each is about and why it was given up, and sends nothing."""
    keys = kept_letters(store)
    output = system("replay", "--list").stdout
    assert all(key in output for key in keys)
    assert output.count("403") == 2
    assert output.count("the bucket is another") == 2 and "a.png" in output
    assert len(list(store.list(store.settings.results_bucket, "dead-letters/"))) == 2


@pytest.mark.parametrize("name", ["letter", "image"])
def test_replay_sends_one_by_its_own_key_or_that_of_its_image(
    system: Cli, store: Store, subscriber: Subscriber, name: str
) -> None:
    """What was sent is kept no longer; the other letter stays."""
    first, second = kept_letters(store)
    assert system("replay", {"letter": first, "image": "a.png"}[name]).stdout == "1 replayed\n"
    assert [info.key for info in store.list(store.settings.results_bucket, "dead-letters/")] == [second]


def test_replay_sends_all(system: Cli, store: Store) -> None:
    """Afterwards there are no dead letters, and saying so is no failure."""
    kept_letters(store)
    assert system("replay", "--all").stdout == "2 replayed\n"
    assert system("replay", "--list").stdout == "no dead letters\n"


def test_replay_of_an_unknown_key_sends_nothing(system: Cli, store: Store) -> None:
    """One unknown key among known ones fails before anything is sent."""
    first, _ = kept_letters(store)
    result = system("replay", first, "unknown.png")
    assert result.exit_code == 1
    assert "there is no dead letter 'unknown.png'" in result.stderr
    assert len(list(store.list(store.settings.results_bucket, "dead-letters/"))) == 2


@pytest.mark.parametrize("arguments", [[], ["--all", "--list"], ["--all", "x"]])
def test_replay_wants_to_be_told_one_thing(system: Cli, arguments: list[str]) -> None:
    """Nothing is replayed by default."""
    assert system("replay", *arguments).exit_code == 2


def test_letters_that_the_broker_set_aside_are_listed_and_forgotten(
    system: Cli, broker: Client, subscriber: Subscriber
) -> None:
    """What could not even become a dead letter is shown beside them, stays when all are replayed, and goes when told to."""
    subscriber.script = [Answer(431, body=b"headers too large")]
    broker.post(an_event("x" * 2000))
    wait_until(lambda: broker.queue()["set_aside"] == 1)
    subscriber.script = [Answer(202)]
    (aside,) = (letter["key"] for letter in broker.set_aside())
    output = system("replay", "--list").stdout
    assert aside in output and "431" in output and "headers too large" in output
    assert system("replay", "--all").stdout == "0 replayed\n"
    assert aside in system("replay", "--list").stdout
    findings = {finding["check"]: finding for finding in json.loads(system("doctor", "--json").stdout)}
    assert findings["dead letters"]["came"] == "0 events were given up, and 1 more that the store could never take"
    assert system("replay", "--forget", "set-aside/999").exit_code == 1
    assert system("replay", "--forget", aside).stdout == "forgotten\n"
    assert system("replay", "--list").stdout == "no dead letters\n"
