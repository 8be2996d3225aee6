"""The results as Markdown: what had to be reached, then every figure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ORDER = (
    "cold_start",
    "latency",
    "votes",
    "similar",
    "backbones",
    "sides",
    "throughput",
    "thesis_load",
    "backlog",
    "side_by_side",
    "page_thousands",
    "chaos",
    "slow_clients",
    "fuzz",
    "memory",
    "export",
    "training_speed",
    "capacity",
)


def renew(folder: Path) -> None:
    """Write ``README.md`` from all reports in a folder."""
    reports = [json.loads(path.read_text()) for name in ORDER if (path := folder / f"{name}.json").exists()]
    lines = ["# Benchmarks", "", "Made by `make bench`; every figure is a median, with its quartiles.", ""]
    lines += ["| benchmark | machine | when |", "| --- | --- | --- |"]
    lines += [f"| {report['name']} | {_machine(report['machine'])} | {report['finished']} |" for report in reports]
    lines += ["", "## Goals", "", "| benchmark | what | goal | measured | |", "| --- | --- | --- | --- | --- |"]
    lines += [line for report in reports for line in _goals(report)]
    for report in reports:
        lines += ["", f"## {report['name']}", "", f"{report['title']}."]
        lines += ["", *_figures(report)]
        lines += ["", *(f"- {note}" for note in report["notes"])] if report["notes"] else []
    (folder / "README.md").write_text("\n".join(lines) + "\n")


def of_report(report: dict[str, Any]) -> str:
    """One report, for the terminal."""
    lines = [f"{report['name']}: {report['title']}", *_figures(report), *report["notes"]]
    if report["goals"]:
        lines += ["", "| benchmark | what | goal | measured | |", "| --- | --- | --- | --- | --- |", *_goals(report)]
    return "\n".join(lines) + "\n"


def _machine(machine: dict[str, Any]) -> str:
    busy = f"{machine['busy_before']:.0%} used by others at the start"
    return f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {busy}"


def _goals(report: dict[str, Any]) -> Iterator[str]:
    for goal in report["goals"]:
        sign = "≥" if goal["at_least"] else "≤"
        value = "not measured" if goal["value"] is None else f"{goal['value']:.3g}"
        mark = "reached" if goal["reached"] else "**missed**"
        yield f"| {report['name']} | {goal['what']} | {sign} {goal['limit']:g} | {value} | {mark} |"


def _figures(report: dict[str, Any]) -> list[str]:
    lines = ["| variant | quantity | median | quartiles | samples |", "| --- | --- | --- | --- | --- |"]
    for variant, found in report["figures"].items():
        for quantity, figure in found.items():
            values = [_shown(figure[name], figure["unit"]) for name in ("median", "q1", "q3")]
            spread = "" if figure["n"] == 1 else f"{values[1]} – {values[2]}"
            lines.append(f"| {variant} | {quantity} | {values[0]} | {spread} | {figure['n']} |")
    return lines


def _shown(value: float, unit: str) -> str:
    if unit == "s":
        return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.3g} s"
    if unit == "%":
        return f"{value:.4g} %"
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {unit}".strip()
