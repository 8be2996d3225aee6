"""``cosmoformer sweep`` at the real ingest function."""

from __future__ import annotations

from cosmoformer.storage.store import Store
from tests.cosmoformer.cli.conftest import Cli
from tests.cosmoformer.local.subscriber import Subscriber
from tests.cosmoformer.sample_results import classified_result, put_results


def counts(output: str) -> dict[str, int]:
    rows = (line.split(maxsplit=1) for line in output.splitlines())
    return {name: int(count) for count, name in rows}


def test_sweep_announces_images_without_a_result(system: Cli, store: Store, subscriber: Subscriber) -> None:
    """The counts say what there is and what was announced; --dry-run announces nothing."""
    for key in ("n1/a.png", "n1/b.png", "n2/c.png"):
        store.write(store.settings.images_bucket, key, key.encode(), "image/png")
    put_results(store, classified_result("n1/a.png", b"n1/a.png"))
    dry = counts(system("sweep", "--dry-run").stdout)
    assert (dry["images"], dry["with result"], dry["announced"]) == (3, 1, 2)
    assert subscriber.received == []
    assert counts(system("sweep", "--prefix", "n1/").stdout)["announced"] == 1
    assert counts(system("sweep", "--prefix", "n1/", "--again", "all").stdout)["announced"] == 2
    assert counts(system("sweep", "--min-age", "1000").stdout)["too young"] == 2


def test_sweep_passes_on_what_ingest_refuses(system: Cli) -> None:
    """The function's own words are the error."""
    result = system("sweep", "--min-age", "1e10")
    assert result.exit_code == 1
    assert "/sweep answered 400: min_age_s must be seconds" in result.stderr
