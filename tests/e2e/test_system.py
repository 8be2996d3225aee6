"""The whole way of an image, on real parts, undisturbed and disturbed.

The tests share one running system and stand in the order of a day in its life; each uses keys of its own.
"""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

from cosmoformer.local.bootstrap import remove_notification
from cosmoformer.models import artifact
from cosmoformer.models.bundled import BUNDLED
from cosmoformer.models.outputs import grouped
from cosmoformer.models.registration import register
from cosmoformer.storage.result_shape import schema
from cosmoformer.storage.results import result_key
from cosmoformer.storage.store import connect
from cosmoformer.votes.tree import GZ2
from functions.classify import predictor
from tests.e2e.conftest import SHARED
from tests.e2e.running_system import RunningSystem, wait_until
from training.evaluation.strangers import KINDS as STRANGERS
from training.evaluation.strangers import stranger

Galaxies = list[tuple[str, bytes]]
MORE_RULES = ("again", "and-again")
VALIDATOR = jsonschema.Draft202012Validator(schema(), format_checker=jsonschema.FormatChecker())


def test_first_start_classifies_the_sample_galaxies(system: RunningSystem) -> None:
    """A first start ends with the bundled galaxies classified, without another command."""
    samples = [f"samples/{path.name}" for path in (BUNDLED / "samples").iterdir()]
    results = system.wait_for_results(samples)
    for result in results.values():
        VALIDATOR.validate(result)
        assert result["status"] == "classified"
        assert result["model"]["version"] == 1
        assert sum(result["prediction"]["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert result["prediction"]["no_galaxy"] is False


def test_a_folder_of_what_is_no_galaxy_is_flagged(system: RunningSystem, tmp_path: Path) -> None:
    """Dropped like any folder: 95 % of pictures by generators that the score did not learn from are marked, or no picture."""
    for number in range(2):
        for kind in STRANGERS:
            picture = Image.fromarray(stranger(kind, np.random.default_rng((7, number))))
            picture.save(tmp_path / f"{kind.replace(' ', '_')}-{number}.png")
    system.command("drop", str(tmp_path), "--prefix", "foreign/", "--wait")
    rows = list(csv.DictReader(io.StringIO(system.command("results", "foreign/", "--csv").stdout)))
    assert len(rows) == 2 * len(STRANGERS)
    judged = [row for row in rows if row["status"] == "classified"]  # one colour alone is no picture
    assert len(judged) > len(STRANGERS)
    assert sum(row["no_galaxy"] == "true" for row in judged) >= 0.95 * len(judged)
    assert all((float(row["in_domain"]) < 0.5) == (row["no_galaxy"] == "true") for row in judged)


def test_images_wait_for_a_registry_that_is_away(system: RunningSystem, galaxies: Galaxies) -> None:
    """Images dropped while MLflow is killed and classify asleep are judged once it is back; nothing is lost."""
    wait_until(lambda: not system.classify_pids(), 30, "classify asleep")
    for pid in [pid for pid in system.pids() if b"mlflow" in Path(f"/proc/{pid}/cmdline").read_bytes()]:
        os.kill(pid, signal.SIGKILL)
    keys = system.drop("no-registry/", galaxies[:5])
    results = system.wait_for_results(keys, 180)
    assert {result["status"] for result in results.values()} == {"classified"}


def test_nothing_runs_while_nothing_is_dropped(system: RunningSystem) -> None:
    """Some seconds after the last image, no classify process is left."""
    wait_until(lambda: not system.classify_pids(), 30, "classify asleep")


def test_a_folder_dropped_at_once_from_zero(system: RunningSystem, galaxies: Galaxies) -> None:
    """103 images dropped while classify is asleep give 103 results, each written once, and 103 rows of CSV."""
    assert not system.classify_pids()
    keys = system.drop("burst/", galaxies)
    results = system.wait_for_results(keys)
    assert len(results) == len(galaxies)
    assert _writes(system, "burst/") == dict.fromkeys(keys, 1)
    for key, result in results.items():
        VALIDATOR.validate(result)
        assert result["image"]["key"] == key
    rows = list(csv.DictReader(io.StringIO(system.command("results", "burst/", "--csv").stdout)))
    assert len(rows) == len(galaxies)


def test_the_whole_path_says_what_the_artifact_says(system: RunningSystem) -> None:
    """Each labelled original has exactly the class and probabilities that the artifact gives when called directly."""
    files = sorted((SHARED / "labelled").glob("*.jpg"))
    if not files:
        pytest.skip("the labelled survey images are not at hand (../shared/data/originals)")
    assert len(files) == 58
    keys = system.drop("labelled/", [(file.name, file.read_bytes()) for file in files])
    results = system.wait_for_results(keys)
    model = artifact.load((BUNDLED / "model.pt").read_bytes())
    limits = predictor.Limits(1 << 25, 1 << 25)
    for file, key in zip(files, keys, strict=True):
        batch = predictor.preprocess(predictor.decode(file.read_bytes(), limits).pixels)
        answer = grouped(model.metadata, predictor.predict(model, batch))
        expected = answer.probabilities
        assert results[key]["prediction"]["probabilities"] == pytest.approx(expected, abs=1e-6)
        assert set(results[key]["prediction"]["votes"]) == set(answer.votes) == set(GZ2.names)
        told = results[key]["prediction"]["votes"]["bar"]["fractions"]
        assert told == pytest.approx(answer.votes["bar"]["fractions"], abs=2e-4)
        assert results[key]["prediction"]["class"] == max(expected, key=lambda name: expected[name])


def test_every_image_is_judged_through_crashes_and_outages(system: RunningSystem, galaxies: Galaxies) -> None:
    """With every notification delivered three times, classify killed three times and the store away for 10 s: 103 results."""
    _announce_thrice(system)
    try:
        _drop_into_a_storm(system, galaxies)
    finally:
        for name in MORE_RULES:
            remove_notification(system.settings, name)


def _drop_into_a_storm(system: RunningSystem, galaxies: Galaxies) -> None:
    dropped = threading.Thread(target=system.drop, args=("storm/", galaxies))
    dropped.start()
    for _ in range(3):
        wait_until(
            lambda: any(replica["in_flight"] for replica in system.activator()["replicas"]), 60, "work under way"
        )
        for pid in system.classify_pids():
            os.kill(pid, signal.SIGKILL)
    dropped.join()
    assert system.waiting() > 10, "the outage must find work to do"
    _pause_store(system, 10)
    results = system.wait_for_results([f"storm/{name}" for name, _ in galaxies], 180)
    assert len(results) == len(galaxies)
    assert Counter(result["status"] for result in results.values()) == {"classified": len(galaxies)}
    wait_until(lambda: not system.waiting(), 60, "every duplicate delivered")
    assert set(_writes(system, "storm/").values()) <= {0, 1}


def _writes(system: RunningSystem, prefix: str) -> dict[str, int]:
    """How often a result was written for each image, by image key, from what the classify processes logged.

    A process that is killed between the write and the line logs none, so a count may be 0, never too high.
    """
    lines = (line for log in system.folder.glob("classify/**/*.log") for line in log.read_text().splitlines())
    judged = (json.loads(line) for line in lines if '"message": "judged"' in line)
    return Counter(entry["key"] for entry in judged if entry["stands"] and entry["key"].startswith(prefix))


def _announce_thrice(system: RunningSystem) -> None:
    """Two more notification rules beside the first; each delivers every event once."""
    topics = connect(system.settings, service="sns")
    for name in MORE_RULES:
        arn = topics.create_topic(Name=name, Attributes={"push-endpoint": system.settings.ingest_url})["TopicArn"]
        rule = {"Id": name, "TopicArn": arn, "Events": ["s3:ObjectCreated:*"]}
        system.store.client.put_bucket_notification_configuration(
            Bucket=system.settings.images_bucket, NotificationConfiguration={"TopicConfigurations": [rule]}
        )


def _pause_store(system: RunningSystem, seconds: float) -> None:
    gateway = next(pid for pid in system.pids() if b"radosgw" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(gateway, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(gateway, signal.SIGCONT)


def test_promotion_changes_what_is_served_without_a_failed_request(system: RunningSystem, galaxies: Galaxies) -> None:
    """While images stream in, a promoted version takes over; a corrupt one is refused and changes nothing."""
    second = register(system.registry, (BUNDLED / "model.pt").read_bytes(), tags={"task": "clean5"})
    corrupt = register(system.registry, b"not a model", tags={"task": "clean5"})
    streaming = threading.Thread(target=system.drop, args=("stream/", galaxies))
    streaming.start()
    refused = system.command("promote", str(corrupt.version), check=False)
    assert refused.returncode != 0
    assert "TorchScript" in refused.stdout + refused.stderr
    assert system.registry.resolve("champion").version == 1
    system.command("promote", str(second.version), "--force", "the same weights, to see a promotion")
    streaming.join()
    late = system.drop("after/", galaxies[:1])
    results = system.wait_for_results([f"stream/{name}" for name, _ in galaxies])
    assert {result["status"] for result in results.values()} == {"classified"}
    system.wait_for_results(late, 60)
    later = system.drop("later/", galaxies[:3])
    time.sleep(3)  # one interval of MODEL_RECHECK_SECONDS and a bit: the promise made to users
    later += system.drop("later-still/", galaxies[:3])
    versions = {key: result["model"]["version"] for key, result in system.wait_for_results(later).items()}
    assert {versions[key] for key in later if key.startswith("later-still/")} == {second.version}
    assert system.command("replay", "--list").stdout.count("stream/") == 0


def test_a_corrupt_champion_set_behind_our_back_is_refused(system: RunningSystem, galaxies: Galaxies) -> None:
    """An alias moved to a broken version by hand leaves the old version serving, in running processes and in fresh ones."""
    broken = max(version.version for version in system.registry.versions())
    before = system.registry.resolve("champion").version
    system.registry.set_alias("previous", before)
    system.registry.set_alias("champion", broken)
    try:
        wait_until(lambda: not system.classify_pids(), 30, "classify asleep")
        keys = system.drop("broken/", galaxies[:3])
        results = system.wait_for_results(keys)
        assert {result["model"]["version"] for result in results.values()} == {before}
    finally:
        system.registry.set_alias("champion", before)


@pytest.mark.parametrize(
    "name",
    [
        "a b.jpg",
        "a+b.jpg",
        "100%.jpg",
        "a%20b.jpg",
        "Ångström/NGC 1300 ★.jpg",
        "x" * 1015 + ".jpg",
        "é" * 500 + ".jpg",
        "'\"<b>&.jpg",
        "a//b.jpg",
    ],
)
def test_awkward_keys_get_their_own_result(system: RunningSystem, galaxies: Galaxies, name: str) -> None:
    """Whatever characters a key has, the right object is judged and the result stands under the right key."""
    prefix = "keys/"
    keys = system.drop(prefix, [(name, galaxies[5][1])])
    result = wait_until(lambda: system.results.read(keys[0]), 60, f"a result for {keys[0]!r}")
    assert result["image"]["key"] == keys[0]
    assert system.store.read_json(system.settings.results_bucket, result_key(system.settings, keys[0]))


def test_what_cannot_be_classified_says_why(system: RunningSystem) -> None:
    """Broken files get a rejected result with a reason, are not retried and are no dead letters."""
    keys = system.drop("bad/", [("empty.jpg", b""), ("text.jpg", b"not a galaxy"), ("cut.jpg", _cut_jpeg())])
    results = system.wait_for_results(keys)
    assert {key: result["rejection"]["code"] for key, result in results.items()} == {
        "bad/empty.jpg": "empty",
        "bad/text.jpg": "not_an_image",
        "bad/cut.jpg": "damaged",
    }
    for result in results.values():
        VALIDATOR.validate(result)
    assert "bad/" not in system.command("replay", "--list").stdout


def _cut_jpeg() -> bytes:
    content = next(iter((BUNDLED / "samples").iterdir())).read_bytes()
    return content[: len(content) // 2]


def test_python_drops_images_and_reads_their_results_as_a_table(system: RunningSystem) -> None:
    """The example for notebooks runs as it stands against a system that sleeps."""
    example = Path(__file__).parents[2] / "examples/results_table.py"
    samples = str(BUNDLED / "samples")
    done = subprocess.run(
        [sys.executable, str(example), samples], env=system.environment, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    assert "example/round_smooth.jpg" in done.stdout
    assert "8 rows; the probability of a spiral has the UCD 'stat.probability'" in done.stdout


def test_a_restart_after_kill_9_goes_on_where_it_was(system: RunningSystem, galaxies: Galaxies) -> None:
    """After kill -9 of everything with work waiting, a second start has the objects, results and models, and ends the work."""
    before = set(system.results.keys())
    versions = [version.version for version in system.registry.versions()]
    keys = system.drop("interrupted/", galaxies[:40])
    system.kill()
    system.start()
    assert before <= set(system.results.keys())
    assert [version.version for version in system.registry.versions()] == versions
    assert len(system.wait_for_results(keys)) == 40


def test_ctrl_c_ends_every_process(system: RunningSystem) -> None:
    """After Ctrl-C nothing of the system runs."""
    system.stop()
    wait_until(lambda: not system.pids(), 15, "every process ended")


def test_a_sweep_finds_what_no_notification_announced(system: RunningSystem, galaxies: Galaxies) -> None:
    """With notifications off, nothing happens until `cosmoformer sweep`, which brings all 103."""
    system.start(NOTIFICATIONS="off", SWEEP_AT_START_SECONDS="0")
    keys = system.drop("silent/", galaxies)
    time.sleep(2)  # long enough for a notification, had there been one
    assert not list(system.results.keys("silent/"))
    system.command("sweep")
    assert len(system.wait_for_results(keys)) == len(galaxies)
    system.stop()
    system.start(NOTIFICATIONS="on", SWEEP_AT_START_SECONDS="30")  # for whoever comes next, in whatever order
