"""kubectl, as a program: the cluster, namespace and rights of whoever calls it are kubectl's own affair."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

from cosmoformer.errors import PermanentError, SettingsError

Object = dict[str, Any]
_TIMEOUT_S = 120.0
_ATTEMPTS = 8
_CONFLICT = "the object has been modified"


class Kubectl:
    """Runs kubectl, or OpenShift's oc where there is none.

    Args:
        namespace: the namespace; empty for the one that the kubeconfig's context names.
        program: path of the program; empty to look for it.
    """

    def __init__(self, namespace: str = "", program: str = "") -> None:
        found = program or shutil.which("kubectl") or shutil.which("oc")
        if not found:
            raise SettingsError("there is neither kubectl nor oc", "Put one of them into a folder of PATH")
        self._start = [found, *(("--namespace", namespace) if namespace else ())]

    def run(self, *arguments: str, stdin: str | None = None, timeout_s: float = _TIMEOUT_S) -> str:
        """What kubectl prints.

        Args:
            arguments: the command and its options.
            stdin: what the command reads.
            timeout_s: how long it may take, seconds.

        Raises:
            PermanentError: it fails, or takes longer; the message is kubectl's own.
        """
        command = f"kubectl {' '.join(arguments)}"
        try:
            done = subprocess.run(
                [*self._start, *arguments], input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired:
            raise PermanentError(f"`{command}` took more than {timeout_s:.0f} s", "Does the cluster answer?") from None
        if done.returncode:
            raise PermanentError(f"`{command}` failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def get(self, *what: str) -> Object:
        """An object, or a list of objects.

        Args:
            what: kind, name and selectors as `kubectl get` takes them.

        Raises:
            PermanentError: there is none such, or the cluster does not answer.
        """
        found: Object = json.loads(self.run("get", *what, "--output", "json"))
        return found

    def edit(self, kind: str, name: str, change: Callable[[Object], Object]) -> Object:
        """Replace an object by a changed one; somebody else's change in between is kept, and this one made again.

        Args:
            kind: the kind, with its group.
            name: the object's name.
            change: makes the new object of the one that is there.

        Returns:
            The object as the cluster has it now.

        Raises:
            PermanentError: the cluster refuses the object, or others change it all the time.
        """
        for attempt in range(_ATTEMPTS):
            changed = change(self.get(kind, name))
            try:  # it carries the resourceVersion that was read, so a newer object is not overwritten
                answer = self.run("replace", "--filename", "-", "--output", "json", stdin=json.dumps(changed))
            except PermanentError as error:
                if _CONFLICT not in str(error) or attempt == _ATTEMPTS - 1:
                    raise
                continue
            replaced: Object = json.loads(answer)
            return replaced
        raise AssertionError("the loop returns or raises")
