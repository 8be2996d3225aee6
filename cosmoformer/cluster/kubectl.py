"""kubectl, as a program: the cluster, namespace and rights of whoever calls it are kubectl's own affair."""

from __future__ import annotations

import copy
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
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
#: What the API server adds to an object's metadata, and no manifest says.
_SERVERS_METADATA = (
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
#: Likewise what Knative adds to a Service's annotations; it refuses their removal.
_SERVERS_ANNOTATIONS = (_LAST_APPLIED, "serving.knative.dev/creator", "serving.knative.dev/lastModifier")


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
        """Change an object; somebody else's change in between is kept, and this one made again.

        What differs is sent as a merge patch (RFC 7386) that carries the resourceVersion which was read, so that a newer object
        is not overwritten. `kubectl replace` would write that, uid and status into the annotation that `kubectl apply` compares
        with, and no later apply would be accepted; such an annotation is put right on the way.

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
            found = self.get(kind, name)
            patch = merge_patch(found, with_sound_annotation(change(found)))
            patch.setdefault("metadata", {})["resourceVersion"] = found["metadata"]["resourceVersion"]
            try:
                answer = self.run(
                    "patch", kind, name, "--type", "merge", "--patch", json.dumps(patch), "--output", "json"
                )
            except PermanentError as error:
                if _CONFLICT not in str(error) or attempt == _ATTEMPTS - 1:
                    raise
                continue
            patched: Object = json.loads(answer)
            return patched
        raise AssertionError("the loop returns or raises")


def merge_patch(old: Object, new: Object) -> Object:
    """What turns one object into another, as a merge patch (RFC 7386): lists as a whole, null for what is gone."""
    patch: Object = {name: None for name in old if name not in new}
    for name, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(name), dict):
            if inner := merge_patch(old[name], value):
                patch[name] = inner
        elif name not in old or old[name] != value:
            patch[name] = value
    return patch


def is_spoilt(found: Object) -> bool:
    """Whether `kubectl replace` has left an object that `kubectl apply` can no longer change."""
    applied = _last_applied(found)
    if applied is None:
        return False
    # Generated manifests may say `creationTimestamp: null`, which does no harm.
    return "status" in applied or any(applied["metadata"].get(name) for name in _SERVERS_METADATA)


def with_sound_annotation(found: Object) -> Object:
    """The object, with an annotation of the last apply that holds nothing but what a manifest may say."""
    if not is_spoilt(found):
        return found
    applied = _last_applied(found) or {}
    applied.pop("status", None)
    metadata = applied["metadata"]
    for name in _SERVERS_METADATA:
        metadata.pop(name, None)
    for name in _SERVERS_ANNOTATIONS:
        metadata.get("annotations", {}).pop(name, None)
    mended = copy.deepcopy(found)
    mended["metadata"]["annotations"][_LAST_APPLIED] = json.dumps(applied) + "\n"
    return mended


def _last_applied(found: Object) -> Object | None:
    text = found["metadata"].get("annotations", {}).get(_LAST_APPLIED)
    if text is None:
        return None
    applied: Object = json.loads(text)
    return applied
