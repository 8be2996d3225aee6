"""``cosmoformer up`` as a command; what it runs is tested with the whole system."""

from __future__ import annotations

import sys

import pytest

from tests.cosmoformer.cli.conftest import Cli


@pytest.mark.parametrize("package", ["flask", "mlflow"])
def test_missing_extras_are_named(cli: Cli, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Without the packages that run things here, the command starts nothing and says what to install."""
    monkeypatch.setitem(sys.modules, package, None)
    result = cli("up")
    assert result.exit_code == 1
    assert result.stderr == f"error: packages are missing: {package} / pip install 'cosmoformer[local]'\n"
