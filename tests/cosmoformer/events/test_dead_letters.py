"""Dead letters in a real store."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from cosmoformer.errors import BrokerUnavailable, InvalidRequest
from cosmoformer.events import cloudevents
from cosmoformer.events.cloudevents import Event
from cosmoformer.events.dead_letters import DeadLetters, subject_digest
from cosmoformer.served_models import FOR_MODEL
from cosmoformer.storage.store import Store


@pytest.fixture
def letters(store: Store) -> DeadLetters:
    return DeadLetters(store)


def _event(id_: str = "1", subject: str | None = "m51 ü.jpg", data: bytes = b'{"a": [1]}') -> Event:
    return cloudevents.new(type="t", source="/s", id=id_, subject=subject, data=data, traceid="x")


def _failed(event: Event, code: str = "422", data: str = base64.b64encode(b"no \xc3\xbc").decode()) -> Event:
    error = {"knativeerrordest": "http://classify", "knativeerrorcode": code, "knativeerrordata": data}
    return Event({**event.attributes, **error}, event.data)


def test_letter_tells_of_the_event_and_its_failure(letters: DeadLetters) -> None:
    """A kept letter holds the event as it was sent first, and who refused it with which words."""
    event = _event()
    key = letters.keep(_failed(event))
    ((letter,), following) = letters.page()
    assert (letter.key, letter.event, following) == (key, event, None)
    assert (letter.dest, letter.code, letter.answer) == ("http://classify", 422, "no ü")
    assert abs(datetime.fromisoformat(letter.received) - datetime.now(UTC)) < timedelta(minutes=1)


def test_letter_without_reason_is_kept(letters: DeadLetters) -> None:
    """An event of which the broker tells no failure is kept all the same, with unknown reason."""
    letters.keep(_event())
    ((letter,), _) = letters.page()
    assert (letter.dest, letter.code, letter.answer) == (None, None, None)


@pytest.mark.parametrize("words", ["plain words!", "schöne Worte"])
@pytest.mark.parametrize("code", ["none", "9" * 5000, "²", "٣٣٣", "-1"])
def test_failure_that_is_told_otherwise_is_kept_as_it_is(letters: DeadLetters, code: str, words: str) -> None:
    """What the subscriber answered is shown as text, whether the broker encoded it or not; a status that is none is left out."""
    letters.keep(_failed(_event(), code=code, data=words))
    ((letter,), _) = letters.page()
    assert (letter.code, letter.answer) == (None, words)


@pytest.mark.parametrize("data", [b"\x89PNG\0\xff", b"{no json", b"NaN", b""])
def test_data_is_kept_byte_for_byte(letters: DeadLetters, data: bytes) -> None:
    """Data of any kind comes back as it went in."""
    letters.keep(_event(data=data))
    assert letters.page()[0][0].event.data == data


def test_same_event_is_kept_once(letters: DeadLetters) -> None:
    """A letter that is delivered again replaces the first, so that the last failure is shown."""
    assert letters.keep(_failed(_event(), "500")) == letters.keep(_failed(_event(), "422"))
    assert [letter.code for letter in letters.page()[0]] == [422]


def test_letters_about_one_image_share_a_folder(letters: DeadLetters) -> None:
    """Letters are found by the digest of their subject, or of their id when they have none."""
    first, second, other = (letters.keep(event) for event in (_event("1"), _event("2"), _event("3", subject=None)))
    assert first != second
    assert first.split("/")[1] == second.split("/")[1] == subject_digest("m51 ü.jpg")
    assert other.split("/")[1] == subject_digest("3")
    assert set(letters.latest_by_subject()) == {subject_digest("m51 ü.jpg"), subject_digest("3")}


@pytest.mark.parametrize(
    "content", [b"", b"no JSON", b"[]", b'{"schema_version": 1}', b'{"event": {"id": "1"}}', b'{"event": 3}']
)
def test_a_foreign_object_is_no_letter(
    letters: DeadLetters, store: Store, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What stands among the letters and is none is left out and named; the letters around it are shown and replayed."""
    kept = {letters.keep(_event("1")), letters.keep(_event("2"))}
    foreign = f"{store.settings.dead_letters_prefix}5/odd.json"
    store.write(store.settings.results_bucket, foreign, content, "application/json")
    assert {letter.key for letter in letters.page()[0]} == kept
    assert repr(foreign) in caplog.text
    outcome = letters.replay(lambda _: None)
    assert (outcome.replayed, outcome.missing) == (2, 1)


def test_pages_go_through_all_letters(letters: DeadLetters) -> None:
    """Page after page gives every letter once."""
    keys = {letters.keep(_event(str(number), subject=None)) for number in range(5)}
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page, after = letters.page(after, limit=2)
        seen += [letter.key for letter in page]
    assert seen == sorted(keys)


def test_replay_sends_the_original_and_forgets_it(letters: DeadLetters) -> None:
    """A replayed event goes out without the broker's extensions, and is no longer kept."""
    event = _event()
    key = letters.keep(_failed(event))
    kept = letters.keep(_event("2"))
    sent: list[Event] = []
    outcome = letters.replay(sent.append, [key, key.replace(".json", "0.json")])
    assert (outcome.replayed, outcome.missing, sent) == (1, 1, [event])
    assert [letter.key for letter in letters.page()[0]] == [kept]


def test_replay_of_all(letters: DeadLetters) -> None:
    """Without keys, every letter is replayed."""
    for number in range(20):
        letters.keep(_event(str(number)))
    sent: list[Event] = []
    assert letters.replay(sent.append).replayed == 20
    assert {event.id for event in sent} == {str(number) for number in range(20)}
    assert letters.page() == ([], None)


def test_letter_stays_when_the_broker_does_not_take_it(letters: DeadLetters) -> None:
    """What could not be sent stays kept."""
    letters.keep(_event())
    with pytest.raises(BrokerUnavailable):
        letters.replay(_refuse)
    assert len(letters.page()[0]) == 1


def test_letter_that_comes_back_at_once_stays(letters: DeadLetters) -> None:
    """An event that fails again while it is being replayed is kept, with the new failure."""
    letters.keep(_failed(_event(), "500"))

    def fail_again(event: Event) -> None:
        letters.keep(_failed(event, "410"))

    assert letters.replay(fail_again).replayed == 1
    assert [letter.code for letter in letters.page()[0]] == [410]


def test_only_dead_letters_can_be_replayed(letters: DeadLetters, store: Store) -> None:
    """The key of another object, such as a result, is refused and the object stays."""
    store.write(store.settings.results_bucket, "results/a.json", b"{}", "application/json")
    with pytest.raises(InvalidRequest, match="expected the key of a dead letter"):
        letters.replay(_refuse, ["results/a.json"])
    assert store.read_json(store.settings.results_bucket, "results/a.json")


def _refuse(_: Event) -> None:
    raise BrokerUnavailable("full")


@pytest.mark.parametrize("rest", ["\ud800", "a\0b", "k" * 1025])
def test_keys_that_no_letter_can_have_are_refused(letters: DeadLetters, store: Store, rest: str) -> None:
    """What the store could not even be asked for is the caller's fault, not the store's."""
    with pytest.raises(InvalidRequest, match="expected the key of a dead letter"):
        letters.replay(lambda _: None, [store.settings.dead_letters_prefix + rest])


def test_a_further_models_letter_is_replayed_for_that_model_alone(letters: DeadLetters) -> None:
    """The others have nothing to do; the letter of the first model's goes to all, as ever."""
    event = _event()
    keys = [letters.keep(_failed(event), model) for model in ("v1.2-votes", "")]
    sent: list[Event] = []
    for key in keys:
        letters.replay(sent.append, [key])
    assert sent == [Event({**event.attributes, FOR_MODEL: "v1.2-votes"}, event.data), event]
