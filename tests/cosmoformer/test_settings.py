"""Settings: how their values are read and judged."""

from __future__ import annotations

import re

import pytest

from cosmoformer.addresses import origin
from cosmoformer.errors import SettingsError
from cosmoformer.settings import FUNCTIONS, PARTS, SETTINGS, Settings, load

WEEK = 7 * 24 * 3600


@pytest.mark.parametrize(
    ("name", "refused", "taken"),
    [
        ("UPLOAD_EXPIRY_SECONDS", ["0", "-1", str(WEEK + 1), "1e3"], ["1", str(WEEK)]),
        ("RESULT_EXPIRY_SECONDS", ["0", str(WEEK + 1)], ["1", str(WEEK)]),
        ("MODEL_RECHECK_SECONDS", ["0", "0.5", "nan", "-1"], ["1", "1.5"]),
        ("UNSURE_BELOW", ["-0.1", "1.1", "nan", "70"], ["0", "0.5", "1"]),
        ("MAX_IMAGE_BYTES", ["0", "-1", "inf", str(5 * 2**30 + 1)], ["1", str(5 * 2**30)]),
        ("MAX_IMAGE_PIXELS", ["0"], ["1"]),
        ("MAX_UPLOADS", ["0", "10001"], ["1", "1000"]),
        ("STORE_TIMEOUT_SECONDS", ["0", "-3", "inf", "soon"], ["0.5", "3600"]),
        ("REGISTRY_TIMEOUT_SECONDS", ["0"], ["20"]),
        ("BROKER_TIMEOUT_SECONDS", ["nan"], ["20"]),
        ("TORCH_THREADS", ["-1", "1.5"], ["0", "4"]),
        ("INGEST_PORT", ["0", "65536", "tcp://10.0.0.7:80"], ["1", "65535"]),
        ("SWEEP_EVERY_SECONDS", ["-1"], ["0"]),
        ("NOTIFICATIONS", ["maybe", ""], ["off", "Yes"]),
        ("LOG_LEVEL", ["LOUD", "10"], ["debug", "WARNING"]),
    ],
)
def test_values_out_of_bounds_are_refused(name: str, refused: list[str], taken: list[str]) -> None:
    """A value that its setting's bounds do not hold is refused, with the name, what was expected and what came."""
    for text in refused:
        with pytest.raises(SettingsError, match=rf"^{name} must be .*, got {re.escape(repr(text))}"):
            load({name: text}, judge=PARTS)
    for text in taken:
        load({name: text}, judge=PARTS)


def test_every_number_has_a_bound() -> None:
    """No number is taken as it comes, and no default is out of its own bounds."""
    assert not [setting.name for setting in SETTINGS if setting.kind in ("integer", "number") and not setting.bounds]
    load({}, judge=PARTS)


def test_only_what_is_used_is_judged() -> None:
    """The variable that Kubernetes sets for a Service named `ingest` stops nobody who has no such port; its user is told."""
    settings = load({"INGEST_PORT": "tcp://10.0.0.7:80", "STORE_TIMEOUT_SECONDS": "soon"}, judge=["registry"])
    assert (settings.page_port, settings.registry_timeout_seconds) == (8080, 20.0)
    for _ in range(2):
        with pytest.raises(SettingsError, match="INGEST_PORT must be a whole number, got 'tcp:"):
            assert settings.ingest_port
    with pytest.raises(SettingsError, match="STORE_TIMEOUT_SECONDS"):
        load({"STORE_TIMEOUT_SECONDS": "soon"}, judge=FUNCTIONS)
    with pytest.raises(AttributeError, match="no_such_setting"):
        assert settings.no_such_setting


def test_a_copy_says_the_same_of_a_malformed_value() -> None:
    """Settings that are made of others keep what is wrong with those, until a value is put in its place."""
    values = vars(load({"INGEST_PORT": "tcp://10.0.0.7:80"}))
    with pytest.raises(SettingsError, match="INGEST_PORT"):
        assert Settings(**values).ingest_port
    assert Settings(**(values | {"ingest_port": 8081})).ingest_port == 8081
    assert load({"INGEST_PORT": "tcp://10.0.0.7:80"}, ingest_port=1).ingest_port == 1


def test_a_malformed_value_is_not_shown_when_printed() -> None:
    """Printing settings names and values shows no error, and no secret."""
    settings = load({"INGEST_PORT": "tcp://x", "AWS_SECRET_ACCESS_KEY": "hunter2"})
    assert "tcp" not in repr(settings) and "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("https://galaxies.example.org/", "https://galaxies.example.org"),
        ("HTTPS://Galaxies.Example.ORG:443", "https://galaxies.example.org"),
        ("http://galaxies.example.org:80/", "http://galaxies.example.org"),
        ("https://galaxies.example.org:80", "https://galaxies.example.org:80"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        (" http://127.0.0.1:8080 ", "http://127.0.0.1:8080"),
    ],
)
def test_origins_are_as_browsers_write_them(given: str, normal: str) -> None:
    """A trailing slash, a default port and capitals, which no browser sends, do not make a page a stranger."""
    assert origin(given) == normal
    assert load({"PAGE_ORIGINS": f"http://a.example,{given},"}).page_origins == ["http://a.example", normal]


@pytest.mark.parametrize(
    "given", ["galaxies.example.org", "https://", "ftp://a.example", "https://a.example/page", "https://me@a.example",
              "https://a.example?x", "http://a.example:port", "*", "null"]
)  # fmt: skip
def test_what_is_no_origin_is_refused(given: str) -> None:
    """What no browser would ever send is an error that says what is expected, not a page that never works."""
    with pytest.raises(SettingsError, match="PAGE_ORIGINS must be a list of origins such as https://"):
        load({"PAGE_ORIGINS": given}, judge=["ingest"])
