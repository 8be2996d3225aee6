"""A Kubernetes API on loopback for kubectl: keeps objects, checks resource versions, does Knative Serving's part for one Service.

It shows which requests kubectl makes of our commands and manifests, and in which order. It is no cluster: nothing is scheduled,
and only Services of Knative get a status.
"""

from __future__ import annotations

import copy
import json
import threading
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.knative.rendering import Object

#: Plural, kind and whether it is namespaced, by API version.
RESOURCES: dict[str, tuple[tuple[str, str, bool], ...]] = {
    "v1": (
        ("namespaces", "Namespace", False),
        ("pods", "Pod", True),
        ("secrets", "Secret", True),
        ("configmaps", "ConfigMap", True),
        ("services", "Service", True),
        ("serviceaccounts", "ServiceAccount", True),
    ),
    "apps/v1": (("deployments", "Deployment", True),),
    "batch/v1": (("jobs", "Job", True),),
    "serving.knative.dev/v1": (("services", "Service", True), ("revisions", "Revision", True)),
    "eventing.knative.dev/v1": (("brokers", "Broker", True), ("triggers", "Trigger", True)),
    "sources.knative.dev/v1": (("sinkbindings", "SinkBinding", True), ("pingsources", "PingSource", True)),
}
Check = Callable[[Object], list[str]]


class ApiServer:
    """The server; use it as a context manager.

    Args:
        check: what is wrong with an object that is to be stored; what it finds is refused, as an admission webhook would.
        patience: how often a Knative Service is read before it is ready.
    """

    def __init__(self, check: Check = lambda _: [], patience: int = 0) -> None:
        self.check, self.patience = check, patience
        self.objects: dict[str, Object] = {}  # path of the request -> object
        self.created: list[str] = []  # kinds and names, in order
        self.history: list[list[Object]] = []  # traffic of the Knative Service after each write
        self.revisions: dict[str, Object] = {}  # template by revision
        self.refuses_revisions = False
        self.trouble = (
            "ContainerMissing",
            "its model was refused",
        )  # of a revision that is refused: reason and message
        self.meanwhile: Callable[[], None] | None = None  # done once, between somebody's read and write
        self.lock = threading.RLock()
        handler = type("ApiHandler", (_Handler,), {"api": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> ApiServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def kubeconfig(self, folder: Path, namespace: str = "trial") -> Path:
        """Write a kubeconfig that leads here."""
        path = folder / "kubeconfig"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": self.url}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "nobody", "namespace": namespace}}],
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def named(self, plural: str, name: str, api: str = "") -> Object:
        """A stored object."""
        return next(o for path, o in self.objects.items() if api in path and path.endswith(f"/{plural}/{name}"))

    def write(self, path: str, body: Object, *, new: bool) -> tuple[int, Object]:
        """Store an object, as POST or PUT does."""
        old = self.objects.get(path)
        if new and old:
            return 409, _status(409, "AlreadyExists", f"{path} already exists")
        if not new and not old:
            return 404, _status(404, "NotFound", f"{path} not found")
        if old and body["metadata"].get("resourceVersion", "") not in ("", old["metadata"]["resourceVersion"]):
            return 409, _status(
                409, "Conflict", "the object has been modified; please apply your changes to the latest version"
            )
        if problems := self.check(body):
            return 422, _status(422, "Invalid", "; ".join(problems))
        stored = copy.deepcopy(body)
        meta = stored["metadata"]
        meta["uid"] = old["metadata"]["uid"] if old else uuid.uuid4().hex
        meta["resourceVersion"] = str(int(old["metadata"]["resourceVersion"]) + 1 if old else 1)
        changed = old is None or old.get("spec") != stored.get("spec")
        meta["generation"] = (old["metadata"]["generation"] if old else 0) + changed
        if old and "status" in old:
            stored["status"] = old["status"]  # a sub-resource: what a client sends of it is ignored
        self.objects[path] = stored
        if new:
            self.created.append(f"{stored['kind']}/{meta['name']}")
        if _is_knative_service(path):
            self._reconcile(stored)
        return (201 if new else 200), stored

    def patch(self, path: str, body: Object) -> tuple[int, Object]:
        """Change an object by a merge patch (RFC 7386), as PATCH does.

        A custom resource is never updated without a resourceVersion; a patch that says nothing of it keeps the present one.
        """
        old = self.objects.get(path)
        if old is None:
            return 404, _status(404, "NotFound", f"{path} not found")
        patched = _merged(old, body)
        if not patched["metadata"].get("resourceVersion"):
            why = "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
            return 422, _status(422, "Invalid", why)
        return self.write(path, patched, new=False)

    def _reconcile(self, service: Object) -> None:
        """A new revision for a new template; the traffic that the spec asks for; ready after a while."""
        template, status = service["spec"]["template"], service.setdefault("status", {})
        latest = status.get("latestReadyRevisionName", "")
        if self.revisions.get(status.get("latestCreatedRevisionName", "")) != template:
            name = f"{service['metadata']['name']}-{len(self.revisions) + 1:05}"
            self.revisions[name] = copy.deepcopy(template)
            status["latestCreatedRevisionName"] = name
            latest = latest if self.refuses_revisions else name
            self._store_revision(service, name)
        status["latestReadyRevisionName"] = latest
        traffic = []
        for entry in service["spec"].get("traffic", [{"latestRevision": True, "percent": 100}]):
            shown = dict(entry) | ({"revisionName": latest} if entry.get("latestRevision") else {})
            if "tag" in shown:
                shown["url"] = f"http://{shown['tag']}-{service['metadata']['name']}.trial.svc.cluster.local"
            traffic.append(shown)
        status["traffic"] = traffic
        self.history.append(copy.deepcopy(traffic))
        self._unread = self.patience

    def _store_revision(self, service: Object, name: str) -> None:
        reason, message = self.trouble
        ready = (
            {"status": "False", "reason": reason, "message": message} if self.refuses_revisions else {"status": "True"}
        )
        path = (
            f"/apis/serving.knative.dev/v1/namespaces/{service['metadata'].get('namespace', 'trial')}/revisions/{name}"
        )
        self.objects[path] = {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Revision",
            "metadata": {"name": name, "resourceVersion": "1"},
            "status": {"conditions": [{"type": "ResourcesAvailable", **ready}]},
        }

    def let_revisions_start(self) -> None:
        """A node was added: what waited for it becomes ready."""
        with self.lock:
            self.refuses_revisions = False
            for path, service in self.objects.items():
                if _is_knative_service(path):
                    service["status"]["latestReadyRevisionName"] = service["status"]["latestCreatedRevisionName"]

    def read(self, path: str) -> Object | None:
        """An object as a GET sees it."""
        found = self.objects.get(path)
        if found and _is_knative_service(path):
            status = found["status"]
            if self._unread > 0:
                self._unread -= 1
            else:
                status["observedGeneration"] = found["metadata"]["generation"]
                failed = status["latestReadyRevisionName"] != status["latestCreatedRevisionName"]
                why = {"status": "False", "message": self.trouble[1]} if failed else {"status": "True"}
                status["conditions"] = [{"type": "Ready", **why}, {"type": "RoutesReady", "status": "True"}]
        shown = copy.deepcopy(found)
        if self.meanwhile:
            act, self.meanwhile = self.meanwhile, None
            act()
        return shown

    def remove(self, path: str) -> bool:
        """Delete an object; a Namespace with all that is in it."""
        inside = f"/namespaces/{path.rpartition('/')[2]}/" if "/namespaces/" in path and path.count("/") == 4 else path
        gone = [other for other in self.objects if other == path or inside in other]
        for other in gone:
            del self.objects[other]
        return bool(gone)


def _is_knative_service(path: str) -> bool:
    return "/serving.knative.dev/" in path and path.split("/")[-2] == "services"


def _merged(old: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = copy.deepcopy(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result


def _status(code: int, reason: str, message: str) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


def _discovery(path: str) -> Object | None:
    groups = sorted({api for api in RESOURCES if "/" in api})
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        versions = [{"groupVersion": api, "version": api.partition("/")[2]} for api in groups]
        listed = [
            {"name": v["groupVersion"].partition("/")[0], "versions": [v], "preferredVersion": v} for v in versions
        ]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
    api = path.removeprefix("/apis/").removeprefix("/api/")
    if api not in RESOURCES:
        return None
    verbs = ["create", "delete", "get", "list", "patch", "update"]
    resources = [
        {"name": p, "singularName": k.lower(), "kind": k, "namespaced": n, "verbs": verbs} for p, k, n in RESOURCES[api]
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api, "resources": resources}


def _openapi(path: str) -> Object | None:
    """As much of the OpenAPI documents as tells kubectl that fields are validated here, so that it need not do so itself."""
    folders = {("api/" if api == "v1" else "apis/") + api: api for api in RESOURCES}
    if path == "/openapi/v3":
        return {"paths": {folder: {"serverRelativeURL": f"/openapi/v3/{folder}"} for folder in folders}}
    if (api := folders.get(path.removeprefix("/openapi/v3/"))) is None:
        return None
    group, _, version = api.rpartition("/")
    paths = {}
    for plural, kind, _ in RESOURCES[api]:
        patch = {"parameters": [{"name": "fieldValidation", "in": "query"}], "responses": {}}
        of_kind = {"group": group, "version": version, "kind": kind}
        paths[f"/{plural}/{{name}}"] = {"patch": patch | {"x-kubernetes-group-version-kind": of_kind}}
    return {"openapi": "3.0.0", "info": {"title": "here", "version": "1"}, "paths": paths}


class _Handler(BaseHTTPRequestHandler):
    api: ApiServer
    protocol_version = "HTTP/1.1"

    def _answer(self, code: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> Object:
        body: Object = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return body

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        with self.api.lock:
            if (found := _discovery(parts.path) or _openapi(parts.path)) or (found := self.api.read(parts.path)):
                return self._answer(200, found)
            if parts.path.rpartition("/")[2] in {plural for rows in RESOURCES.values() for plural, _, _ in rows}:
                return self._answer(200, self._list(parts.path, parse_qs(parts.query)))
            return self._answer(404, _status(404, "NotFound", f"{parts.path} not found"))

    def _list(self, path: str, query: dict[str, list[str]]) -> Object:
        wanted = dict(part.split("=") for part in query.get("labelSelector", [""])[0].split(",") if part)
        inside = [o for other, o in self.api.objects.items() if other.rpartition("/")[0] == path]
        items = [o for o in inside if wanted.items() <= o["metadata"].get("labels", {}).items()]
        return {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}

    def do_POST(self) -> None:
        body = self._body()
        with self.api.lock:
            self._answer(*self.api.write(f"{urlsplit(self.path).path}/{body['metadata']['name']}", body, new=True))

    def do_PUT(self) -> None:
        body = self._body()
        with self.api.lock:
            self._answer(*self.api.write(urlsplit(self.path).path, body, new=False))

    def do_PATCH(self) -> None:
        body = self._body()
        with self.api.lock:
            if self.headers["Content-Type"] != "application/merge-patch+json":  # all that custom resources know
                return self._answer(415, _status(415, "UnsupportedMediaType", "expected a merge patch"))
            return self._answer(*self.api.patch(urlsplit(self.path).path, body))

    def do_DELETE(self) -> None:
        self._body()
        with self.api.lock:
            path = urlsplit(self.path).path
            if self.api.remove(path):
                return self._answer(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})
            return self._answer(404, _status(404, "NotFound", f"{path} not found"))

    def log_message(self, format: str, *args: object) -> None:
        pass
