"""What the runbook shows and tells to type, against what it is about: the console, `func`, NooBaa, the training Job."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.knative.checks import CHECKS
from tests.knative.objects import of_kind
from tests.knative.references import url_problems
from tests.knative.rendering import KNATIVE, overlay, parse
from tests.knative.runbook import PAGES, blocks, commands, rendered


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_console_is_awake_before_anything_is_typed_in_it(page: Path) -> None:
    """Followed from top to bottom, each block that types into the console has woken it and waited for its pod."""
    for block in blocks(page, "sh"):
        awake = False
        lines = [line.strip() for line in block.splitlines()]
        for line, following in zip(lines, [*lines[1:], ""], strict=True):
            if line.startswith("kubectl scale deployment/console"):
                awake = line.endswith("1")
                assert not awake or following.startswith("kubectl rollout status deployment/console --timeout="), block
            assert awake or not line.startswith("kubectl exec deployment/console"), block


@pytest.mark.parametrize("name", ["classify", "ingest"])
def test_what_func_refers_to_is_there(name: str) -> None:
    """Beside the kustomization that is shown for it, a function of the `func` CLI finds each ConfigMap by its name."""
    folder = KNATIVE.parent if name == "classify" else KNATIVE.parent / "functions" / name
    envs = yaml.safe_load((folder / "func.yaml").read_text(encoding="utf-8"))["run"]["envs"]
    wanted = set(re.findall(r"\{\{ configMap:([\w-]+)", " ".join(variable["value"] for variable in envs)))
    there = {
        config_map["metadata"]["name"]
        for config_map in of_kind(parse(rendered(KNATIVE.parent / "site-func")), "ConfigMap")
    }
    assert len(wanted) == 2 and wanted <= there


def _pod_of_training() -> Any:
    (job,) = of_kind(parse(rendered(KNATIVE.parent / "site-training")), "Job")
    return job["spec"]["template"]["spec"]


def test_noobaa_is_told_of_the_topic_that_the_job_names() -> None:
    """The patch has NooBaa's fields, its Secret and key are those of the Job's topic, and the connection leads to ingest."""
    words = [command.words for command in commands() if command.page.stem == "storage"]
    (connection,) = (json.loads(argv[1]) for argv in words if argv[0] == "echo" and "notification_protocol" in argv[1])
    (secret,) = (argv for argv in words if argv[:5] == ("kubectl", "create", "secret", "generic", "cosmoformer-notify"))
    (patch,) = (argv for argv in words if argv[:3] == ("kubectl", "patch", "noobaa"))
    spec = json.loads(patch[patch.index("--patch") + 1])
    noobaa = {"apiVersion": "noobaa.io/v1alpha1", "kind": "NooBaa", "metadata": {"name": "noobaa"}, **spec}
    assert CHECKS["schemas of Rook, claims and Prometheus"]([noobaa]) == []
    script = (KNATIVE / "components/noobaa/noobaa_notifications.py").read_text(encoding="utf-8")
    (topic,) = re.findall(r'^TOPIC = "([^"]+)"', script, re.MULTILINE)
    file = next(word for word in secret if word.startswith("--from-file=")).partition("=")[2]
    assert topic == f"{secret[4]}/{file}"
    assert [entry["name"] for entry in spec["spec"]["bucketNotifications"]["connections"]] == [secret[4]]
    assert set(connection) == {"name", "notification_protocol", "agent_request_object"}
    agent = connection["agent_request_object"]
    assert list(url_problems(f"http://{agent['host']}:{agent['port']}", parse(overlay("openshift")))) == []


def test_training_asks_for_a_gpu() -> None:
    """The Job asks for one GPU as a limit, which is also its request, lets no pod be forgotten, and is what the page applies."""
    spec = _pod_of_training()
    (entry,) = spec["containers"]
    assert (
        entry["resources"]["limits"]["nvidia.com/gpu"] == "1" and "nvidia.com/gpu" not in entry["resources"]["requests"]
    )
    assert spec["restartPolicy"] in ("Never", "OnFailure") and spec["activeDeadlineSeconds"] > 3600
    options = [argument.partition("=")[0] for argument in entry["args"]]
    told = subprocess.run(
        [sys.executable, *entry["command"][1:], "--help"],
        cwd=KNATIVE.parent,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert all(option in told for option in options)
