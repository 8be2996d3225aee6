"""What a person reads where Ceph or Chromium cannot be installed."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "tools" / "install-packages.sh"


@pytest.mark.parametrize(("has_apt", "reason"), [(False, "no apt-get"), (True, "not root and there is no sudo")])
def test_without_apt_or_root_it_says_what_to_do(tmp_path: Path, has_apt: bool, reason: str) -> None:
    """On a machine without apt, or for a user without root, the packages and the setting to use instead are named."""
    _program(tmp_path / "id", "echo 1000")
    if has_apt:
        _program(tmp_path / "apt-get", "exit 0")
    done = _run(SCRIPT, tmp_path, "Ceph", "S3_ENDPOINT_URL", "radosgw", "ceph-mon")
    assert done.returncode == 1
    assert reason in done.stderr
    assert "apt-get install --no-install-recommends radosgw ceph-mon" in done.stderr
    assert "S3_ENDPOINT_URL" in done.stderr


def test_a_package_that_apt_does_not_have_is_named(tmp_path: Path) -> None:
    """Where there is no real Chromium to install, that is said before anything is changed."""
    _program(tmp_path / "id", "echo 0")
    _program(tmp_path / "apt-get", 'case "$*" in *--simulate*) exit 100;; esac')
    done = _run(SCRIPT, tmp_path, "Chromium", "PATH", "chromium")
    assert done.returncode == 1
    assert "apt has no package chromium that can be installed (Ubuntu has Chromium only as a snap" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_installation_lets_services_start_again(tmp_path: Path, number: signal.Signals) -> None:
    """The file that keeps services from being started is removed when the script is ended half-way."""
    policy = tmp_path / "policy-rc.d"
    script = tmp_path / "script.sh"
    script.write_text(SCRIPT.read_text().replace("/usr/sbin/policy-rc.d", str(policy)))
    for name in ("tee", "chmod", "rm", "env", "cp"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    _program(tmp_path / "id", "echo 0")
    interrupt = f'cp {policy} {tmp_path}/seen; kill -{number.value} "$PPID"'
    _program(tmp_path / "apt-get", f'case "$*" in update*|*--simulate*) exit 0;; esac; {interrupt}')
    done = _run(script, tmp_path, "Ceph", "S3_ENDPOINT_URL", "radosgw")
    assert done.returncode == 130
    assert (tmp_path / "seen").read_text() == "#!/bin/sh\nexit 101\n"
    assert not policy.exists()


def _run(script: Path, programs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    shell = shutil.which("sh")
    assert shell
    return subprocess.run(
        [shell, str(script), *arguments], env={"PATH": str(programs)}, capture_output=True, text=True, preexec_fn=_heed
    )


def _heed() -> None:
    """A shell cannot trap what was ignored when it started, as SIGHUP is under nohup."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
