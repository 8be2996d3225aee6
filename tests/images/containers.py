"""Containers as a cluster under restricted-v2 starts them: any user, group 0, a root that cannot be written, no capability."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.build_images import reference

#: As OpenShift chooses one: a number that no image knows.
USER = "1000680000:0"
#: Fewer than podman's own, which a machine that is a container itself may not be able to give.
_LIMITS = ("nofile=4096:4096", "nproc=4096:4096")
_POLL_S = 0.1


def podman(*arguments: str, check: bool = True, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run podman.

    Raises:
        AssertionError: it failed, with what it said.
    """
    command = ["podman", *_runtime(), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0 or not check, f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done


def _runtime() -> list[str]:
    """`crun` refuses hosts whose control groups are partly of version 1; `runc` does not."""
    mixed = not Path("/sys/fs/cgroup/cgroup.controllers").exists()
    return ["--runtime", "runc"] if mixed and shutil.which("runc") else []


def restricted(mounts: Mapping[Path, str] | None = None, *, network: str = "none", read_only: bool = True) -> list[str]:
    """Arguments of ``podman run`` for what restricted-v2 enforces.

    Args:
        mounts: folders of this machine, and where they are in the container, with ``:ro`` or ``:rw``.
        network: ``none``, or ``host`` to reach servers of this machine.
        read_only: whether the root file system is.
    """
    found = ["--pull", "never", "--network", network, "--user", USER, "--tmpfs", "/tmp:rw,mode=1777"]
    found += ["--cap-drop", "all", "--security-opt", "no-new-privileges"]
    found += ["--read-only", "--read-only-tmpfs=false"] if read_only else []
    for limit in _LIMITS:
        found += ["--ulimit", limit]
    for folder, place in (mounts or {}).items():
        found += ["--volume", f"{folder}:{place}"]
    return found


def run(
    name: str,
    *argv: str,
    environment: Mapping[str, str] | None = None,
    entrypoint: str = "",
    stdin: str | None = None,
    check: bool = True,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run a command in a new container of an image, until it ends.

    Args:
        name: the image.
        argv: the command, or arguments of the image's own entry point.
        environment: variables to set.
        entrypoint: a program instead of the image's own.
        stdin: what the command reads.
        check: whether it has to succeed.
        options: of `restricted`.
    """
    flags = [*(["--interactive"] if stdin else []), *(["--entrypoint", entrypoint] if entrypoint else [])]
    flags += ["--rm", *_variables(environment or {}), *restricted(**options)]
    return podman("run", *flags, reference(name), *argv, stdin=stdin, check=check)


def _variables(environment: Mapping[str, str]) -> list[str]:
    return [part for key, value in environment.items() for part in ("--env", f"{key}={value}")]


@dataclass(frozen=True)
class Container:
    """A container that runs what its image starts by itself."""

    id: str

    def execute(self, *argv: str, stdin: str | None = None) -> str:
        """What a command inside prints."""
        return podman("exec", "--interactive", self.id, *argv, stdin=stdin).stdout

    def logs(self) -> str:
        """What its process has written so far."""
        done = podman("logs", self.id, check=False)
        return done.stdout + done.stderr

    def ask(self, url: str) -> int:
        """The status of a GET request from inside; 0 while nothing listens."""
        return int(self.execute("python", "-", url, stdin=_ASK))

    def wait_for(self, url: str, status: int = 200, within_s: float = 90) -> None:
        """Ask until the answer has a status.

        Raises:
            AssertionError: it never had, with the container's log.
        """
        deadline = time.monotonic() + within_s
        while (found := self.ask(url)) != status:
            assert time.monotonic() < deadline, f"{url} answers {found}: {self.logs()[-4000:]}"
            time.sleep(_POLL_S)

    def stop(self, within_s: int) -> int:
        """Send SIGTERM; the exit status, 137 if it had to be killed after all."""
        podman("stop", "--time", str(within_s), self.id)
        return int(podman("wait", self.id).stdout)


#: Redirects and errors are answers as well.
_ASK = """
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=5).status)
except urllib.error.HTTPError as error:
    print(error.code)
except (urllib.error.URLError, ConnectionError, TimeoutError):
    print(0)
"""


@contextmanager
def started(
    name: str, environment: Mapping[str, str] | None = None, argv: Sequence[str] = (), **options: Any
) -> Iterator[Container]:
    """Start an image's own process, or another, and remove the container at the end."""
    flags = [*_variables(environment or {}), *restricted(**options)]
    id = podman("run", "--detach", *flags, reference(name), *argv).stdout.strip()
    try:
        yield Container(id)
    finally:
        podman("rm", "--force", "--time", "1", id)


def inspected(name: str) -> dict[str, Any]:
    """What the engine knows of an image.

    Raises:
        AssertionError: it is not there.
    """
    done = podman("image", "inspect", reference(name), check=False)
    assert done.returncode == 0, f"there is no image {reference(name)}: say `make image-{name}` first"
    found: dict[str, Any] = json.loads(done.stdout)[0]
    return found
