"""What README and runbook quote is what was measured."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stdout
from pathlib import Path

from benchmarks import cost, harness, table

ROOT = Path(__file__).parents[2]


def _quoted(document: str, name: str) -> str:
    """The text between two comments of a document."""
    found = re.search(rf"<!-- {name}\b.*?-->\n(.*?)<!-- /{name} -->", (ROOT / document).read_text(), re.DOTALL)
    assert found, f"{document} has no block {name!r}"
    return found[1].strip()


def test_the_results_are_one_table(tmp_path: Path) -> None:
    """The committed table is made of the committed reports, none of which is of a quick run."""
    for path in sorted(harness.RESULTS.glob("*.json")):
        report = json.loads(path.read_text())
        assert not report["options"].get("quick"), path
        (tmp_path / path.name).write_text(path.read_text())
    table.renew(tmp_path)
    assert (tmp_path / "README.md").read_text() == (harness.RESULTS / "README.md").read_text()


def test_the_readme_quotes_every_goal_of_serving() -> None:
    """Reached or missed, each goal stands in the README as it was measured last."""
    found = re.search(r"## Goals\n\n(.*?)\n\n", (harness.RESULTS / "README.md").read_text(), re.DOTALL)
    assert found
    of_serving = [row for row in found[1].splitlines() if not row.startswith(("| training_speed |", "| capacity |"))]
    assert len(of_serving) > 20
    assert _quoted("README.md", "goals").splitlines() == of_serving


def test_the_costs_are_those_that_the_calculator_says() -> None:
    """The runbook's table is what its own command prints."""
    document = "knative/runbook/scaling.md"
    command = re.search(r"python -m benchmarks\.cost (.+)", (ROOT / document).read_text())
    assert command
    with redirect_stdout(io.StringIO()) as printed:
        cost.main(command[1].split())
    assert printed.getvalue().strip() == _quoted(document, "cost")


def test_the_log_quotes_what_a_larger_side_costs() -> None:
    """Why the bundled model looks at 112 pixels is what was measured."""
    cost = harness.read("sides")["figures"]["160 pixels"]["against 112 pixels"]["median"]
    log = " ".join((ROOT / "training" / "runs" / "README.md").read_text().split())
    assert f"takes {cost:.2f} times as long at 160 pixels as at 112" in log
