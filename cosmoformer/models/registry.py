"""The model registry: an MLflow server over its REST API.

The ``mlflow`` package takes two seconds to import and serving needs two requests of it, so they are made directly.
Stages are deprecated in MLflow 3: an alias says which version is served.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from io import FileIO
from typing import Any, NamedTuple
from urllib.parse import quote

import urllib3

from cosmoformer import connections
from cosmoformer.errors import InvalidRequest, ModelRefused, RegistryUnavailable
from cosmoformer.models.sources import artifact_path
from cosmoformer.settings import Settings

DIGEST_TAG = "sha256"  # tag of a model version that holds its artifact's digest
_CONNECT_S = 5
_SLOWEST_UPLOAD = 1 << 20  # bytes a second; the server answers only when it has stored the file


class ModelIdentity(NamedTuple):
    """Which model judged: a number alone means another one under another name, or in a registry that was made anew."""

    name: str
    version: int
    sha256: str


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model.

    Attributes:
        name: registered model.
        version: number within it.
        run_id: training run that made it; empty when it was not trained under this registry.
        source: folder that its artifact is in, or the file itself; see :func:`artifact_path`.
        sha256: digest of the artifact; empty when the tag is missing.
        aliases: aliases that point to it, where the request tells.
        tags: all tags.
    """

    name: str
    version: int
    run_id: str
    source: str
    sha256: str
    aliases: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def identity(self) -> ModelIdentity:
        """What tells it from every other version, also of another registry."""
        return ModelIdentity(self.name, self.version, self.sha256)


class Registry:
    """An MLflow server's registered models.

    Every method raises :class:`~cosmoformer.errors.RegistryUnavailable` when the server does not answer or answers with an
    error that may pass.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def resolve(self, alias: str) -> ModelVersion:
        """The version that an alias of the configured model points to.

        Raises:
            RegistryUnavailable: MLflow does not answer, or there is no such model or alias yet.
        """
        answer = self.get("registered-models/alias", name=self.settings.model_name, alias=alias)
        return _version(answer["model_version"])

    def versions(self) -> list[ModelVersion]:
        """Every version of the configured model, newest first; empty when the model is not registered yet."""
        return sorted(self._search(), key=lambda version: -version.version)

    def _search(self) -> Iterator[ModelVersion]:
        token = ""
        while True:
            name = self.settings.model_name
            quote = '"' if "'" in name else "'"  # MLflow's filters know no escapes
            answer = self.get(
                "model-versions/search", filter=f"name={quote}{name}{quote}", max_results=200, page_token=token
            )
            yield from (_version(entry) for entry in answer.get("model_versions", []))
            token = answer.get("next_page_token", "")
            if not token:
                return

    def aliases(self) -> dict[str, int]:
        """Version number by alias of the configured model; empty when it is not registered yet."""
        try:
            model = self.get("registered-models/get", name=self.settings.model_name)["registered_model"]
        except RegistryUnavailable as error:
            if isinstance(error.__cause__, _NotFound):
                return {}
            raise
        return {entry["alias"]: int(entry["version"]) for entry in model.get("aliases", [])}

    def download(self, version: ModelVersion) -> bytes:
        """The artifact of a version.

        Raises:
            ModelRefused: the version's source is nothing that this registry serves.
        """
        return self.fetch(artifact_path(self._stored_at(version.source)))

    def _stored_at(self, source: str) -> str:
        """Where the server has what MLflow 3 names by a logged model (``models:/m-…``) or a run (``runs:/…/path``)."""
        if model := re.fullmatch(r"models:/(m-[0-9a-f]+)/?", source):
            return str(self.get(f"logged-models/{model[1]}")["model"]["info"]["artifact_uri"])
        if run := re.fullmatch(r"runs:/([^/]+)/(.+)", source):
            info = self.get("runs/get", run_id=run[1])["run"]["info"]
            return f"{info['artifact_uri'].rstrip('/')}/{run[2]}"
        return source

    @cached_property
    def _server(self) -> connections.Server:
        timeout = urllib3.Timeout(connect=_CONNECT_S, read=self.settings.registry_timeout_seconds)
        retries = urllib3.Retry(1, backoff_factor=0.2)
        return connections.mlflow(self.settings, timeout=timeout, retries=retries, maxsize=4)

    @property
    def url(self) -> str:
        """The server's address, without a user."""
        return self._base

    def fetch(self, path: str) -> bytes:
        """An artifact file under a path of the server's artifact root."""
        return self._request("GET", self._artifact_url(path))

    def set_alias(self, alias: str, version: int) -> None:
        """Point an alias of the configured model to a version."""
        self.post("registered-models/alias", name=self.settings.model_name, alias=alias, version=str(version))

    def set_tag(self, version: int, key: str, value: str) -> None:
        """Set a tag of a version of the configured model."""
        name = self.settings.model_name
        self.post("model-versions/set-tag", name=name, version=str(version), key=key, value=value)

    def delete_tag(self, version: int, key: str) -> None:
        """Take a tag off a version of the configured model; one that is not there is no error."""
        body = {"name": self.settings.model_name, "version": str(version), "key": key}
        self.delete("model-versions/delete-tag", **body)

    def delete(self, path: str, /, **body: Any) -> None:
        """DELETE at an endpoint of MLflow's REST API (``/api/2.0/mlflow/`` + path)."""
        self._request("DELETE", f"{self._base}/api/2.0/mlflow/{path}", json=body)

    def post(self, path: str, /, **body: Any) -> dict[str, Any]:
        """POST to an endpoint of MLflow's REST API (``/api/2.0/mlflow/`` + path)."""
        url = f"{self._base}/api/2.0/mlflow/{path}"
        return self._json(self._request("POST", url, json=body), url)

    def upload(self, path: str, content: bytes | FileIO) -> None:
        """Store an artifact file under a path of the server's artifact root; an opened file is sent piece by piece."""
        size = len(content) if isinstance(content, bytes) else os.fstat(content.fileno()).st_size
        read = self.settings.registry_timeout_seconds + size / _SLOWEST_UPLOAD
        timeout = urllib3.Timeout(connect=_CONNECT_S, read=read)
        headers = {"Content-Length": str(size)}
        self._request("PUT", self._artifact_url(path), body=content, headers=headers, timeout=timeout)

    def _artifact_url(self, path: str) -> str:
        return f"{self._base}/api/2.0/mlflow-artifacts/artifacts/{quote(path)}"

    @property
    def _base(self) -> str:
        return self._server.base

    def get(self, path: str, /, **query: Any) -> dict[str, Any]:
        """GET an endpoint of MLflow's REST API (``/api/2.0/mlflow/`` + path)."""
        url = f"{self._base}/api/2.0/mlflow/{path}"
        return self._json(self._request("GET", url, fields=query), url)

    def _json(self, content: bytes, url: str) -> dict[str, Any]:
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise RegistryUnavailable(
                f"{url} answered something else than a JSON object: {content[:80]!r}",
                "Is MLFLOW_TRACKING_URI an MLflow server?",
            )
        return answer

    def _request(self, method: str, url: str, **options: Any) -> bytes:
        try:
            headers = self._server.headers | options.pop("headers", {})
            answer = self._server.http.request(method, url, headers=headers, **options)
        except urllib3.exceptions.HTTPError as error:
            raise _unreachable(self._base, error) from error
        if answer.status == 200:
            return answer.data
        detail = f"MLflow answered {answer.status} to {method} {url.removeprefix(self._base)}: {_message(answer.data)}"
        if answer.status in (401, 403):
            raise RegistryUnavailable(detail, _LOGIN_MEND[answer.status])
        if answer.status == 404:
            mend = f"Register the model {self.settings.model_name!r} and give a version the alias {self.settings.model_alias!r}"
            raise RegistryUnavailable(detail, mend) from _NotFound()
        if answer.status == 400:
            if "not found" in _message(answer.data):  # how MLflow reports a missing alias
                raise RegistryUnavailable(
                    detail, f"Give a version the alias {self.settings.model_alias!r}"
                ) from _NotFound()
            raise InvalidRequest(detail)
        raise RegistryUnavailable(detail)


_LOGIN_MEND = {
    401: "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN; one that is set is wrong",
    403: "The login is right and may not do this: ask for the permission, or use another",
}


def _unreachable(base: str, error: urllib3.exceptions.HTTPError) -> RegistryUnavailable:
    reason = getattr(error, "reason", None) or error
    if "CERTIFICATE_VERIFY_FAILED" in str(reason):
        mend = "Name the authority that signed it in MLFLOW_TRACKING_SERVER_CERT_PATH"
    elif isinstance(reason, urllib3.exceptions.ProxyError):
        mend = "Is HTTP_PROXY or HTTPS_PROXY right? NO_PROXY names servers that need none"
    else:
        mend = "Is MLFLOW_TRACKING_URI right and MLflow running?"
    return RegistryUnavailable(f"{base} does not answer: {reason}", mend)


def is_missing(error: RegistryUnavailable) -> bool:
    """Whether the server answered and lacks the thing, so that asking again would not help: an alias, a version, an artifact.

    An artifact that was deleted under MLflow is a 404, or a 500 with the store's own words.
    """
    return isinstance(error.__cause__, _NotFound) or any(word in error.detail for word in _GONE)


_GONE = ("NoSuchKey", "No such artifact", "No such file or directory", "does not exist")


class _NotFound(Exception):
    """The server answered, and has no such thing."""


def _version(entry: dict[str, Any]) -> ModelVersion:
    tags = {tag["key"]: tag["value"] for tag in entry.get("tags", [])}
    return ModelVersion(
        name=entry["name"],
        version=int(entry["version"]),
        run_id=entry.get("run_id", ""),
        source=entry.get("source", ""),
        sha256=tags.get(DIGEST_TAG, ""),
        aliases=tuple(entry.get("aliases", ())),
        tags=tags,
    )


def without_digest(version: ModelVersion) -> ModelRefused:
    """The refusal of a version that was made by another way than ``cosmoformer register``."""
    return ModelRefused(
        f"version {version.version} of {version.name} has no tag {DIGEST_TAG}: it was not registered by CosmoFormer, but for"
        " example by mlflow.pytorch.log_model, and a bare model has neither classes nor preprocessing nor a self-check",
        "Write its artifact with `python -m training.export`, then `cosmoformer register FILE`",
    )


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body).get("message", ""))[:300]
    except (ValueError, AttributeError):
        return body[:300].decode(errors="replace")
