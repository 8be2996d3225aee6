"""What the runbook says beside its commands: alerts, Secrets, settings, times, links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cosmoformer.settings import SETTINGS, load
from tests.knative.objects import of_kind
from tests.knative.references import SECRETS
from tests.knative.rendering import KNATIVE, overlay, parse
from tests.knative.runbook import PAGES, blocks

#: In capitals, and no settings: of Secrets, MLflow, AWS, MinIO, pip, and placeholders.
_NO_SETTINGS = re.compile(r"(MLFLOW|AWS|MINIO|IMAGE)_\w+|BUCKET_\w+|KEEP|PREFIX|REFERENCE|NAMESPACE|HOST")


def test_every_alert_is_explained() -> None:
    """The table has a row for each alert, and none for another."""
    rules = of_kind(parse(overlay("openshift")), "PrometheusRule")[0]["spec"]["groups"]
    alerts = {rule["alert"] for group in rules for rule in group["rules"] if "alert" in rule}
    text = (KNATIVE / "runbook/watching.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(CosmoFormer\w+)` \|", text, re.MULTILINE)) == alerts


def test_every_secret_is_listed() -> None:
    """The table has the Secrets that the manifests name, with their keys."""
    text = (KNATIVE / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(cosmoformer-[\w-]+)` \| (.*) \|$", text, re.MULTILINE))
    assert set(rows) == set(SECRETS)
    assert all(
        f"`{key}`" in row or row == "the same of the models' bucket, for MLflow alone"
        for n, row in rows.items()
        for key in SECRETS[n]
    )


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "testing"], ids=lambda page: page.stem)
def test_settings_named_are_settings(page: Path) -> None:
    """What is written as a setting is one."""
    text = page.read_text(encoding="utf-8")
    spoken = set(re.findall(r"`([A-Z][A-Z0-9_]{3,})(?:=[^`]*)?`", text))
    known = {setting.name for setting in SETTINGS}
    assert {name for name in spoken - known if not _NO_SETTINGS.fullmatch(name)} == set()


def test_documented_times_are_those_of_the_settings() -> None:
    """How soon a promotion arrives, and how often a sweep comes, is what settings and manifests say."""
    models = (KNATIVE / "runbook/models.md").read_text(encoding="utf-8")
    assert f"`MODEL_RECHECK_SECONDS` ({load({}).model_recheck_seconds:g} s)" in models
    watching = (KNATIVE / "runbook/watching.md").read_text(encoding="utf-8")
    (sweep,) = of_kind(parse(overlay("openshift")), "PingSource")
    assert sweep["spec"]["schedule"] == "*/15 * * * *" and "`sweep` asks every 15 minutes" in watching
    retry = of_kind(parse(overlay("openshift")), "Broker")[0]["spec"]["delivery"]["retry"]
    assert retry == 10 and "after ten retries in about 17 minutes" in watching


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_anchors_exist(page: Path) -> None:
    """Links to a heading lead to one."""
    for path, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8")):
        target = (page.parent / path).resolve() if path else page
        headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {_anchor(heading) for heading in headings}


def test_every_page_is_listed_and_short() -> None:
    """The first page links every other; none is longer than 300 lines; shell blocks are marked as such."""
    index = PAGES[0].read_text(encoding="utf-8")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert page is PAGES[0] or f"(runbook/{page.name})" in index
        assert len(text.splitlines()) <= 300
        assert not re.search(
            r"^ *```\n(?:[^`]*\n)*? *```", re.sub(r"```\w+\n.*?```", "", text, flags=re.DOTALL), re.MULTILINE
        )
    assert any(blocks(page, "sh") for page in PAGES)


def test_every_feature_says_how_it_was_checked() -> None:
    """Each row says how, on what and when; what no trial has is in the table, and only one cluster is said to have run it."""
    text = (KNATIVE / "README.md").read_text(encoding="utf-8")
    table = text.partition("## What was checked, and on what")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (?!feature|---)(.*?) \| (.*?) \| (.*?) \| (\d{4}-\d\d) \|$", table, re.MULTILINE)
    assert len(rows) == len(re.findall(r"^\| (?!feature|---)", table, re.MULTILINE))
    features = " ".join(feature for feature, *_ in rows)
    parts = ("Kafka", "NooBaa", "CephSource", "GPU", "login", "NetworkPolicies", "alerts", "restoring", "func build")
    assert [part for part in parts if part not in features] == []
    assert all(how.startswith(("ran", "tested: ")) for _, how, _, _ in rows)
    assert all("that cluster" in on for _, how, on, _ in rows if how.startswith("ran"))
