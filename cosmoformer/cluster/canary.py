"""A canary: a second revision of classify, pinned to a model version, takes a share of the traffic, images' events included.

The Triggers send to the Knative Service, so its traffic split divides events like any other request. Every step leaves the
share of the new version as it was or as it was asked for; a step that was interrupted is completed by the same command.

| step | template of the Service | traffic |
| --- | --- | --- |
| before | follows the champion | the latest revision |
| start | pinned to the version | the revision of before 100 %, then divided |
| promote, abort | follows the champion again | the revision of before 100 %, then the latest |

The latest revision is pinned to the canary's version until the end, which is why the traffic goes back by the name of the
revision of before first.
"""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from cosmoformer.cluster.kubectl import Kubectl, Object, is_spoilt
from cosmoformer.cluster.progress import progress_deadline_s, standing
from cosmoformer.errors import PermanentError, TransientError

KIND, NAME = "services.serving.knative.dev", "classify"
TAG = "canary"
_GRACE_S = 60.0  # beyond the progress deadline, until Knative says so
_FAILED_S = 10.0  # a condition may be False for a moment while controllers catch up with each other
_POLL_S = 1.0
_PINNED = re.compile(r"canary-([0-9]+)")
_VARIABLES = ("MODEL_ALIAS", "MODEL_FALLBACK_ALIAS")

Report = Callable[[str], None]


def alias(version: int) -> str:
    """The alias that pins: one a version, which nobody moves.

    It stays after the canary: pods of its revision that are about to end still ask for it.
    """
    return f"canary-{version}"


@dataclass(frozen=True)
class Canary:
    """The state of a canary, as its Service has it.

    Attributes:
        version: model version that its template is pinned to; None when it follows the champion.
        stable: name of the revision that follows the champion.
        revision: name of the canary's revision; empty when it takes no traffic yet.
        percent: its share of the traffic.
        url: its own address inside the cluster; empty likewise.
    """

    version: int | None
    stable: str
    revision: str
    percent: int
    url: str


def read(service: Object) -> Canary:
    """The canary of a Service.

    Raises:
        PermanentError: the Service has a MODEL_ALIAS of its own, so that no alias can be put in its place.
    """
    traffic = service["spec"].get("traffic", [])
    status = service.get("status", {})
    tagged: Object = next((entry for entry in traffic if entry.get("tag") == TAG), {})
    named = next((entry["revisionName"] for entry in traffic if entry is not tagged and "revisionName" in entry), "")
    url = next((entry.get("url", "") for entry in status.get("traffic", []) if entry.get("tag") == TAG), "")
    return Canary(
        version=_pinned_version(service),
        stable=named or status.get("latestReadyRevisionName", ""),
        revision=tagged.get("revisionName", ""),
        percent=tagged.get("percent", 0),
        url=url,
    )


def _pinned_version(service: Object) -> int | None:
    value = next((entry.get("value", "") for entry in _variables(service) if entry["name"] == "MODEL_ALIAS"), None)
    if value is None:
        return None
    if not (found := _PINNED.fullmatch(value)):
        raise PermanentError(
            f"the Service {NAME} sets MODEL_ALIAS to {value!r} itself",
            "Let it come from the ConfigMap, so that a canary can be pinned to another",
        )
    return int(found[1])


def _variables(service: Object) -> list[Object]:
    variables: list[Object] = service["spec"]["template"]["spec"]["containers"][0].setdefault("env", [])
    return variables


def pinned_to_version(service: Object, version: int) -> Object:
    """The Service with a template that serves this version or nothing: the version is its own fallback."""
    return _with_variables(service, {name: alias(version) for name in _VARIABLES})


def following_the_champion(service: Object) -> Object:
    """The Service with the template of before."""
    return _with_variables(service, {})


def _with_variables(service: Object, values: dict[str, str]) -> Object:
    changed = copy.deepcopy(service)
    kept = [entry for entry in _variables(changed) if entry["name"] not in _VARIABLES]
    kept += [{"name": name, "value": value} for name, value in values.items()]
    changed["spec"]["template"]["spec"]["containers"][0]["env"] = kept
    return changed


def with_traffic(service: Object, *entries: Object) -> Object:
    """The Service with other traffic."""
    return copy.deepcopy(service) | {"spec": copy.deepcopy(service["spec"]) | {"traffic": list(entries)}}


def to_stable(stable: str) -> Object:
    """All traffic to a revision by its name."""
    return {"revisionName": stable, "latestRevision": False, "percent": 100}


def divided(stable: str, revision: str, percent: int) -> tuple[Object, Object]:
    """The traffic between two revisions; the canary's has an address of its own."""
    share = {"revisionName": revision, "latestRevision": False, "percent": percent, "tag": TAG}
    return to_stable(stable) | {"percent": 100 - percent}, share


TO_LATEST: Object = {"latestRevision": True, "percent": 100}


class CanaryRelease:
    """The steps of a canary, at a cluster.

    Args:
        kubectl: the cluster and namespace.
        report: called with a message at each step.
        settle_s: how long a step may take, seconds; None is as long as Knative itself waits for a revision.
    """

    def __init__(self, kubectl: Kubectl, report: Report, settle_s: float | None = None) -> None:
        self._kubectl, self._report, self._settle_s = kubectl, report, settle_s

    def now(self) -> Canary:
        """The canary as it is.

        Raises:
            PermanentError: there is no Service, or the cluster does not answer.
        """
        return read(self._kubectl.get(KIND, NAME))

    def check_free(self, version: int) -> None:
        """Raises unless there is no canary, or one of this version.

        Raises:
            PermanentError: another version is being tried.
        """
        if (other := self.now().version) not in (None, version):
            raise PermanentError(
                f"version {other} is being tried already",
                "End that first: `cosmoformer canary promote` or `cosmoformer canary abort`",
            )

    def start(self, version: int, percent: int) -> Canary:
        """Give a version, whose alias is set already, a share of the traffic; or change the share.

        Raises:
            PermanentError: another version is being tried, or the new revision does not become ready.
            TransientError: it takes too long.
        """
        self.check_free(version)
        canary = self.now()
        if not canary.stable:
            raise PermanentError(f"the Service {NAME} has no revision that is ready", "`cosmoformer doctor` says why")
        if not canary.revision:
            self._route(to_stable(canary.stable))
            self._report(f"traffic: 100 % to {canary.stable}")
            self._change(lambda service: pinned_to_version(service, version))
        revision = self._settled()["status"]["latestReadyRevisionName"]
        self._report(f"{revision} serves version {version}")
        self._route(*divided(canary.stable, revision, percent))
        self._report(f"traffic: {100 - percent} % to {canary.stable}, {percent} % to {revision}")
        return self.now()

    def end(self) -> None:
        """All traffic back to a template that follows the champion, whichever version that is.

        Raises:
            PermanentError: there is no canary, or the revision does not become ready.
            TransientError: it takes too long.
        """
        service = self._kubectl.get(KIND, NAME)
        if is_spoilt(service):
            self._change(lambda found: found)
            self._report("mended: manifests can be applied to the Service again")
        canary = read(service)
        if canary.version is None and service["spec"].get("traffic", [TO_LATEST]) == [TO_LATEST]:
            raise PermanentError("no canary is running", "`cosmoformer canary start VERSION` starts one")
        self._route(to_stable(canary.stable))
        self._report(f"traffic: 100 % to {canary.stable}")
        self._change(following_the_champion)
        revision = self._settled()["status"]["latestReadyRevisionName"]
        self._route(TO_LATEST)
        self._report(f"traffic: 100 % to the latest revision, {revision}")

    def _route(self, *entries: Object) -> None:
        self._change(lambda service: with_traffic(service, *entries))
        # Not Ready: after a canary that never started, the Service is not until its template is changed back.
        self._settled("RoutesReady")

    def _change(self, change: Callable[[Object], Object]) -> None:
        self._kubectl.edit(KIND, NAME, change)

    def _settled(self, wanted: str = "Ready") -> Object:
        """The Service once Knative has done what its spec says, as far as a condition goes."""
        began, failed_since, told = time.monotonic(), None, ""
        while True:
            service = self._kubectl.get(KIND, NAME)
            now, found = time.monotonic(), standing(self._kubectl, service, wanted)
            if found.is_done:
                return service
            if found.why and found.why != told:
                told = found.why
                self._report(f"waiting: {told}")
            why = told or "Knative has not got to it yet"
            hopeless = found.has_failed and not found.may_pass
            failed_since = (failed_since or now) if hopeless else None
            if failed_since is not None and now - failed_since > _FAILED_S:
                raise PermanentError(
                    f"the Service {NAME} is not ready: {why}",
                    "`cosmoformer canary abort` goes back; the traffic is where it was",
                )
            settle_s = self._settle_s or progress_deadline_s(service) + _GRACE_S
            if now - began > settle_s:
                raise TransientError(
                    f"the Service {NAME} is not ready after {settle_s:.0f} s: {why}",
                    "The same command goes on; `cosmoformer canary abort` goes back",
                )
            time.sleep(_POLL_S)
