"""``cosmoformer doctor`` of real parts, well and broken."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import urllib3

from cosmoformer.doctor import CHECKS, clock, examine
from cosmoformer.doctor.check import Doubt
from cosmoformer.errors import PermanentError
from cosmoformer.events import cloudevents
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.models.sources import artifact_path
from cosmoformer.served_models import settings_for
from cosmoformer.settings import Settings
from cosmoformer.storage.cors import bucket_cors
from cosmoformer.storage.store import Store, connect
from functions.ingest.app import create_app
from tests.cosmoformer.cli.conftest import Cli, kept_letters, served
from tests.cosmoformer.local.subscriber import Subscriber, wait_until
from tests.cosmoformer.sample_results import classified_result, put_results
from tests.cosmoformer.tiny_artifact import tiny_artifact
from tests.knative.api_server import ApiServer
from tests.knative.rendering import kubectl
from tests.lacking_store import lacking_store, no_conditions

NOBODY = "http://127.0.0.1:9"
CLASSIFY = "http://classify.example.org"  # elsewhere: never asked
METRICS = "Knative's metrics"
PRESIGNED = ("presigned URLs", "strangers' addresses")
INNER = "http://broker-ingress.knative-eventing.svc.cluster.local/ns/default"


KEYLESS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
#: Checks that cannot be made without the store's own keys.
USING_STORE = {"store", "images bucket", "results bucket", "notifications", *PRESIGNED}


@pytest.fixture
def notified() -> Iterator[Subscriber]:
    """Takes what the images bucket announces."""
    with Subscriber(200) as taking:
        yield taking


@pytest.fixture(autouse=True)
def no_kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No kubectl is at hand, as in the functions' images, whatever this machine has."""
    monkeypatch.setenv("PATH", str(tmp_path / "no programs"))


@pytest.fixture
def serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_kubectl: None
) -> Iterator[Callable[[dict[str, str]], None]]:
    """A cluster that kubectl finds, and how its config-observability is set."""
    with ApiServer() as api:
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path)))
        monkeypatch.setenv("KUBECACHEDIR", str(tmp_path / "cache"))
        monkeypatch.setenv("PATH", str(Path(kubectl()).parent))

        def configure(data: dict[str, str]) -> None:
            name = "config-observability"
            path = f"/api/v1/namespaces/knative-serving/configmaps/{name}"
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
            assert api.write(path, body, new=True)[0] == 201

        yield configure


@pytest.fixture(autouse=True)
def cluster(settings: Settings, store: Store, notified: Subscriber) -> Iterator[None]:
    """A model under both aliases, CORS rules, and an images bucket that announces its objects."""
    registry = Registry(settings)
    register(registry, tiny_artifact(), tags={}, alias=settings.model_alias)
    registry.set_alias(settings.model_fallback_alias, 1)
    for bucket in (settings.images_bucket, settings.results_bucket):
        store.client.put_bucket_cors(Bucket=bucket, CORSConfiguration=bucket_cors(settings.page_origins))
    sns = connect(settings, service="sns")
    topic = sns.create_topic(Name=settings.images_bucket, Attributes={"push-endpoint": notified.url})["TopicArn"]
    rule = {"Id": "created", "TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}
    store.client.put_bucket_notification_configuration(
        Bucket=settings.images_bucket, NotificationConfiguration={"TopicConfigurations": [rule]}
    )
    yield
    sns.delete_topic(TopicArn=topic)


def examined(system: Cli, **variables: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit status and findings by check."""
    defaults = {"CLASSIFY_URL": CLASSIFY, "MLFLOW_WEBHOOK_SECRET": "hidden too"}
    result = system("doctor", "--json", **(defaults | variables))
    return result.exit_code, {finding["check"]: finding for finding in json.loads(result.stdout)}


def those(findings: dict[str, dict[str, Any]], state: str) -> set[str]:
    return {name for name, finding in findings.items() if finding["state"] == state}


def test_a_system_that_works_is_well(
    system: Cli, store: Store, subscriber: Subscriber, notified: Subscriber, settings: Settings
) -> None:
    """Every check is well, but for classify, which is not woken; nothing is left behind, and no secret is shown."""
    status, findings = examined(system)
    assert (status, those(findings, "wrong"), those(findings, "doubtful")) == (0, set(), {"classify", METRICS}), (
        findings
    )
    assert list(findings) == [check.name for check in CHECKS]
    assert "would wake it" in findings["classify"]["came"]
    assert findings["notifications"]["came"].endswith(f"announces to {notified.url}")
    assert "self-check passes" in findings["artifact"]["came"]
    assert list(store.list(settings.images_bucket)) == list(store.list(settings.results_bucket)) == []
    assert len(notified.received) <= 4 and all(_is_no_image(request.body) for request in notified.received)
    assert {item.headers["ce-type"] for item in subscriber.received} <= {cloudevents.PROBE}


def _is_no_image(notification: bytes) -> bool:
    """Whether it tells of keys that end in a slash only, which ingest does not announce."""
    return all(record["s3"]["object"]["key"].endswith("/") for record in json.loads(notification)["Records"])


def test_strangers_who_can_copy_are_found(system: Cli, store: Store, settings: Settings) -> None:
    """With the store's own key for uploads, the doctor reads another object as a stranger could, says so and cleans up."""
    _, findings = examined(system, UPLOAD_ACCESS_KEY_ID="", UPLOAD_SECRET_ACCESS_KEY="")
    assert "read other objects (x-amz-copy-source)" in findings["strangers' addresses"]["came"]
    assert list(store.list(settings.images_bucket)) == list(store.list(settings.results_bucket)) == []


def test_no_secret_is_shown(system: Cli, settings: Settings) -> None:
    """Neither secret settings nor the user in an address are in any finding, right or wrong."""
    _, findings = examined(system, MLFLOW_TRACKING_URI="http://user:hidden@127.0.0.1:9")
    assert "http://127.0.0.1:9" in findings["champion"]["came"]
    assert not any(secret in str(findings) for secret in (settings.aws_secret_access_key, "hidden"))


@pytest.mark.parametrize(
    ("broken", "wrong", "mend"),
    [
        (
            {"AWS_SECRET_ACCESS_KEY": "forgotten"},
            {"store", "images bucket", "results bucket", *PRESIGNED},
            "Check AWS_SECRET_ACCESS_KEY",
        ),
        (
            {"AWS_ACCESS_KEY_ID": "nobody"},
            {"store", "images bucket", "results bucket", *PRESIGNED},
            "Check AWS_ACCESS_KEY_ID",
        ),
        ({"IMAGES_BUCKET": "no-such-bucket"}, {"images bucket", *PRESIGNED, "CORS"}, "Make the buckets"),
        ({"RESULTS_BUCKET": "no-such-bucket"}, {"results bucket", *PRESIGNED, "CORS"}, "Make the buckets"),
        (
            {"S3_ENDPOINT_URL": NOBODY},
            {"store", "store's clock", "images bucket", "results bucket", *PRESIGNED, "CORS"},
            "Is S3_ENDPOINT_URL right",
        ),
        ({"S3_PUBLIC_ENDPOINT_URL": NOBODY}, {*PRESIGNED, "CORS"}, "S3_PUBLIC_ENDPOINT_URL right"),
        ({"UPLOAD_SECRET_ACCESS_KEY": "forgotten"}, {"presigned URLs"}, "UPLOAD_ACCESS_KEY_ID"),
        ({"UPLOAD_SECRET_ACCESS_KEY": ""}, {"settings", *PRESIGNED, "CORS"}, "Set both, or neither"),
        ({"UPLOAD_ACCESS_KEY_ID": "", "UPLOAD_SECRET_ACCESS_KEY": ""}, {"strangers' addresses"}, "a key that can only put"),
        ({"PAGE_ORIGINS": "https://elsewhere.example.org"}, {"CORS"}, "Put a CORS rule on both buckets"),
        ({"MLFLOW_TRACKING_URI": NOBODY}, {"registry", "champion", "artifact", "fallback"}, "Is MLFLOW_TRACKING_URI right"),
        ({"MODEL_NAME": "nothing"}, {"registry", "champion", "artifact"}, "MODEL_NAME is wrong"),
        ({"MODEL_ALIAS": "nobody"}, {"champion", "artifact"}, "Give a version the alias 'nobody'"),
        ({"K_SINK": NOBODY}, {"broker"}, "Is K_SINK right"),
        ({"INGEST_URL": NOBODY}, {"ingest"}, "Is INGEST_URL right"),
        ({"CLASSIFY_URL": NOBODY}, {"classify"}, "Is CLASSIFY_URL right"),
        ({"CLASSIFY_URL": "classify"}, {"settings"}, "http://HOST:PORT"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, {"settings", *USING_STORE}, "Set both, or neither"),
        (KEYLESS | {"AWS_PROFILE": "nobody"}, {"settings", *USING_STORE}, "Correct it"),
        ({"S3_ENDPOINT_URL": "s3.example.org"}, {"settings", "store's clock", *USING_STORE, "CORS"}, "Expected http://HOST:PORT"),
    ],
)  # fmt: skip
def test_what_is_broken_is_named_with_its_mend(system: Cli, broken: dict[str, str], wrong: set[str], mend: str) -> None:
    """Each fault is found by the checks that it concerns, and by no other; the exit status is 1."""
    status, findings = examined(system, **broken)
    assert (status, those(findings, "wrong")) == (1, wrong), findings
    assert all(findings[name]["mend"] for name in wrong), findings
    assert any(mend in findings[name]["mend"] for name in wrong), findings


def test_a_tampered_artifact_is_found(system: Cli, settings: Settings) -> None:
    """An artifact that was changed after it was registered does not have its digest."""
    registry = Registry(settings)
    registry.upload(artifact_path(registry.resolve(settings.model_alias).source), tiny_artifact(run="another"))
    status, findings = examined(system)
    assert (status, those(findings, "wrong")) == (1, {"artifact"})
    assert "digest" in findings["artifact"]["came"]


def test_a_bad_model_is_found(system: Cli, settings: Settings) -> None:
    """An artifact that is the registered one but fails its self-check is found."""
    register(Registry(settings), tiny_artifact(wrong=True), tags={}, alias=settings.model_alias)
    _, findings = examined(system)
    assert those(findings, "wrong") == {"artifact"}
    assert "self-check" in findings["artifact"]["came"]


@pytest.fixture
def second(settings: Settings) -> Iterator[tuple[str, Registry]]:
    """A further model that nobody has registered yet: its name and its registry."""
    name = f"{settings.model_name}-hue"
    yield name, Registry(settings_for(settings, name))


def test_a_further_model_is_checked_like_the_first(system: Cli, second: tuple[str, Registry]) -> None:
    """That it has a version, a champion, and an artifact that is sound; the first model's findings stay what they are."""
    name, registry = second
    lacking = {f"{check} of {name}" for check in ("registry", "champion", "artifact")}
    status, findings = examined(system, SERVED_MODELS=name)
    assert (status, those(findings, "wrong"), findings["champion"]["state"]) == (1, lacking, "ok"), findings
    register(registry, tiny_artifact(), tags={}, alias="challenger")
    _, findings = examined(system, SERVED_MODELS=name)
    assert those(findings, "wrong") == lacking - {f"registry of {name}"}, findings
    register(registry, tiny_artifact(wrong=True), tags={}, alias="champion")
    _, findings = examined(system, SERVED_MODELS=name)
    assert those(findings, "wrong") == {f"artifact of {name}"}, findings
    registry.set_alias("champion", 1)
    status, findings = examined(system, SERVED_MODELS=name)
    assert (status, those(findings, "wrong")) == (0, set()), findings
    assert those(findings, "doubtful") == {"classify", METRICS, "backlog", f"fallback of {name}"}, findings
    assert "must be one that is served" in findings["backlog"]["came"], "ingest was not told of it"


def test_images_without_a_further_models_result_are_counted(
    cli: Cli, settings: Settings, store: Store, second: tuple[str, Registry]
) -> None:
    """A function that never judges anything is seen by what it leaves, though the first model has judged every image."""
    name, _ = second
    own = Settings(**(vars(settings) | {"served_models": name}))
    with served(create_app(own)) as url:
        wait_until(lambda: urllib3.request("GET", f"{url}/health/readiness").status == 200)
        at = cli.at(Settings(**(vars(own) | {"ingest_url": url})))
        store.write(settings.images_bucket, "a.png", b"pixels", "image/png")
        put_results(store, classified_result("a.png"))
        backlog = examined(at, SWEEP_MIN_AGE_SECONDS="0")[1]["backlog"]
        put_results(Store(settings_for(settings, name)), classified_result("a.png"))
        assert examined(at, SWEEP_MIN_AGE_SECONDS="0")[1]["backlog"]["state"] == "ok"
    assert (backlog["state"], backlog["came"]) == ("doubtful", f"1 of 1 images have no result of {name}")
    assert "--model" in backlog["mend"]


def test_a_name_that_could_be_no_models_is_found(system: Cli) -> None:
    """It is the settings that are wrong; everything else is checked all the same."""
    status, findings = examined(system, SERVED_MODELS="hue,a b")
    assert (status, "SERVED_MODELS names 'a b'" in findings["settings"]["came"]) == (1, True)
    assert findings["champion"]["state"] == "ok"


def test_a_bucket_that_cannot_be_written_is_found(system: Cli, store: Store, settings: Settings) -> None:
    """A key that may read but not write is found out without writing."""
    resources = f"arn:aws:s3:::{settings.images_bucket}/*"
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": resources}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    store.client.put_bucket_policy(Bucket=settings.images_bucket, Policy=policy)
    _, findings = examined(system)
    assert those(findings, "wrong") == {"images bucket", "presigned URLs"}, findings
    assert "list, read and write" in findings["images bucket"]["mend"]


def test_a_store_without_conditional_writes_is_told(system: Cli, settings: Settings) -> None:
    """What is lost where conditional writes are unknown is said, and nothing is left behind; the system works all the same."""
    with lacking_store(settings.s3_endpoint_url, no_conditions) as proxy:
        public = {"S3_ENDPOINT_URL": proxy.url, "S3_PUBLIC_ENDPOINT_URL": settings.s3_endpoint_url}
        status, findings = examined(system, **public)
    assert (status, those(findings, "wrong"), those(findings, "doubtful")) == (
        0,
        set(),
        {"results bucket", "classify", "Knative's metrics"},
    )
    assert "knows no conditions" in findings["results bucket"]["came"]
    assert "the one written last stays" in findings["results bucket"]["mend"]


def test_doubts_do_not_fail(system: Cli, store: Store, settings: Settings) -> None:
    """No notifications, no secret for webhooks, no fallback, dead letters, images without result: exit status 0 all the same."""
    kept_letters(store)
    store.write(settings.images_bucket, "a galaxy.jpg", b"x", "image/jpeg")
    quiet = {"IMAGES_BUCKET": settings.results_bucket, "IMAGES_PREFIX": "images/"}
    status, findings = examined(
        system, MLFLOW_WEBHOOK_SECRET="", MODEL_FALLBACK_ALIAS="none", SWEEP_MIN_AGE_SECONDS="0", **quiet
    )
    expected = {"settings", "notifications", "fallback", "classify", METRICS, "dead letters", "backlog"}
    assert (status, those(findings, "doubtful"), those(findings, "wrong")) == (0, expected, set()), findings
    assert findings["dead letters"]["came"] == "2 events were given up"
    assert findings["backlog"]["came"].startswith("1 of 1 images have no result")


def test_inner_addresses_are_no_faults_outside(system: Cli) -> None:
    """The address of a Service of Kubernetes, asked from outside its cluster, is left open."""
    status, findings = examined(system, K_SINK=INNER, INGEST_URL="http://ingest.ns.svc.cluster.local")
    assert (status, those(findings, "doubtful")) == (0, {"broker", "ingest", "backlog", "classify", METRICS})
    assert "in a pod" in findings["broker"]["mend"]


@pytest.mark.parametrize(
    ("data", "state", "came"),
    [
        ({"request-metrics-protocol": "prometheus"}, "ok", "show their figures"),
        ({"metrics-protocol": "prometheus", "_example": "request-metrics-protocol: prometheus"}, "doubtful", "not set"),
        ({"request-metrics-protocol": "http/protobuf"}, "doubtful", "push their figures by http/protobuf"),
    ],
)
def test_metrics_of_sidecars(
    system: Cli, serving: Callable[[dict[str, str]], None], data: dict[str, str], state: str, came: str
) -> None:
    """By kubectl it is seen whether Knative's sidecars show their figures; if not, the command that mends it is told."""
    serving(data)
    status, findings = examined(system)
    assert (status, findings[METRICS]["state"]) == (0, state)
    assert came in findings[METRICS]["came"]
    assert state == "ok" or '{"request-metrics-protocol": "prometheus"}' in findings[METRICS]["mend"]


def test_metrics_that_cannot_be_looked_up(system: Cli, serving: Callable[[dict[str, str]], None]) -> None:
    """Without kubectl, or the right to look, it stays open; on one machine there are no sidecars."""
    assert "NotFound" in examined(system)[1][METRICS]["came"]
    findings = examined(system, PATH="")[1]
    assert "neither kubectl nor oc" in findings[METRICS]["came"] and "config-observability" in findings[METRICS]["mend"]
    assert examined(system, CLASSIFY_URL=NOBODY)[1][METRICS]["state"] == "ok"


def test_it_is_a_table_for_people(system: Cli, settings: Settings) -> None:
    """One line a check, with its sign."""
    result = system("doctor", CLASSIFY_URL=CLASSIFY, MODEL_ALIAS="nobody")
    lines = result.stdout.splitlines()[1:]
    assert [line[0] for line in lines] == ["!", *"✓✓✓✓✓✓✓✓✓✗✓✗✓✓✓!!✓✓"]
    assert len(lines) == len(CHECKS)


def test_a_malformed_setting_is_a_finding(cli: Cli) -> None:
    """Without settings there is nothing to ask, which is said as any other fault."""
    result = cli("doctor", STORE_TIMEOUT_SECONDS="soon")
    assert result.exit_code == 1
    assert "✗" in result.stdout and "STORE_TIMEOUT_SECONDS must be a number, got 'soon'" in result.stdout


def test_what_hangs_is_not_waited_for(settings: Settings) -> None:
    """A store that takes connections and says nothing is given up after the deadline; the other checks are made."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hung = Settings(**vars(settings))
        hung.s3_endpoint_url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        findings = {finding.check: finding for finding in examine(hung, deadline_s=3)}
        assert time.monotonic() - begun < 10
    assert (findings["store"].state, findings["dead letters"].state) == ("wrong", "doubtful")
    assert findings["store"].came == "no answer within 3 s"
    assert findings["champion"].state == "ok"


@pytest.mark.parametrize(("off_s", "outcome"), [(0, None), (-100, Doubt), (100, Doubt), (-400, PermanentError)])
def test_clocks_are_compared(off_s: int, outcome: type[Exception] | None) -> None:
    """Seconds are nothing, a minute is a doubt, and what makes signatures fail is a fault."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=off_s), usegmt=True)
    if outcome is None:
        assert clock.compare(date, "the store") == "right"
        return
    with pytest.raises(outcome, match="s behind" if off_s < 0 else "s ahead of"):
        clock.compare(date, "the store")
