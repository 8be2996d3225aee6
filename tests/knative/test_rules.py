"""Alert and recording rules, evaluated by Prometheus' own promtool on series that are made up for each."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.knative.objects import of_kind
from tests.knative.rendering import KNATIVE, overlay, parse

_RULES = KNATIVE / "components/monitoring/rules.yaml"
_TESTS = Path(__file__).with_name("alert_rules.test.yaml")


def _groups() -> list[dict[str, Any]]:
    (rules,) = of_kind(parse(overlay("openshift")), "PrometheusRule")
    groups: list[dict[str, Any]] = rules["spec"]["groups"]
    return groups


@pytest.fixture
def promtool() -> str:
    """Prometheus' tool; skips the test without it."""
    found = shutil.which("promtool")
    if not found:
        pytest.skip("there is no promtool: `make setup-test` installs it on Debian, with the package prometheus")
    return found


def _run(promtool: str, groups: list[dict[str, Any]], folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "rules.yaml").write_text(json.dumps({"groups": groups}))
    shutil.copy(_TESTS, folder)
    command = [promtool, "test", "rules", _TESTS.name]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_rules_do_what_they_are_for(promtool: str, tmp_path: Path) -> None:
    """Each alert is raised by what it is for, with its words, not by what is well, and ends."""
    done = _run(promtool, _groups(), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_is_tested() -> None:
    """A rule that no series is made up for would be unchecked; each alert is shown to be silent too."""
    cases = yaml.safe_load(_TESTS.read_text(encoding="utf-8"))["tests"]
    checks = [check for case in cases for check in case.get("alert_rule_test", [])]
    rules = [rule for group in _groups() for rule in group["rules"]]
    alerts = {rule["alert"] for rule in rules if "alert" in rule}
    assert {check["alertname"] for check in checks if check["exp_alerts"]} == alerts
    assert {check["alertname"] for check in checks if not check["exp_alerts"]} == alerts
    text = "\n".join(rule["expr"] for rule in rules if "alert" in rule) + _TESTS.read_text(encoding="utf-8")
    assert all(rule["record"] in text for rule in rules if "record" in rule)


@pytest.mark.parametrize("alert", re.findall(r"- alert: (\w+)", _RULES.read_text(encoding="utf-8")))
def test_the_tests_can_fail(alert: str, promtool: str, tmp_path: Path) -> None:
    """With an alert that is never raised, its test fails."""
    groups = _groups()
    for rule in (rule for group in groups for rule in group["rules"] if rule.get("alert") == alert):
        rule["expr"] = "vector(0) > 1"
    done = _run(promtool, groups, tmp_path)
    assert done.returncode != 0 and alert in done.stdout + done.stderr
