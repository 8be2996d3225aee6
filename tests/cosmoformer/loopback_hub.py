"""Stands in for the Hugging Face Hub on loopback: what it answers to making a repository and committing small files to it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from werkzeug import Request, Response

from tests.cosmoformer.cli.conftest import served


class LoopbackHub:
    """Model repositories in memory; ``refusal`` is an HTTP status that everything is answered with."""

    def __init__(self, url: str = "", refusal: int = 0) -> None:
        self.url, self.refusal = url, refusal
        self.files: dict[str, bytes] = {}
        self.commits: list[str] = []
        self.made: list[dict[str, Any]] = []
        self.authorizations: set[str | None] = set()

    @Request.application
    def application(self, request: Request) -> Response:
        """The Hub's side of ``create_repo``, ``file_exists`` and ``create_commit``."""
        self.authorizations.add(request.headers.get("Authorization"))
        if self.refusal:
            return Response(status=self.refusal, headers={"X-Error-Message": "you may not"})
        if request.path == "/api/repos/create":
            self.made.append(request.get_json())
            return _json({"url": f"{self.url}/{self.made[-1]['organization']}/{self.made[-1]['name']}"})
        if request.path == "/api/validate-yaml":
            return _json({})
        if request.method == "HEAD":
            known = request.path.rpartition("/")[2] in self.files
            found = {"ETag": '"1"', "X-Repo-Commit": "0" * 40}
            return Response(status=200, headers=found) if known else Response(status=404, headers=_MISSING)
        if "/preupload/" in request.path:
            asked = request.get_json()["files"]
            return _json({"files": [_REGULAR | {"path": one["path"]} for one in asked]})
        return self._commit(request)

    def _commit(self, request: Request) -> Response:
        for line in map(json.loads, request.get_data().splitlines()):
            value = line["value"]
            if line["key"] == "header":
                self.commits.append(value["summary"])
            elif line["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "deletedFile":
                del self.files[value["path"]]
        oid = f"{len(self.commits):040x}"
        return _json({"success": True, "commitOid": oid, "commitUrl": f"{self.url}/o/n/commit/{oid}"})


_MISSING = {"X-Error-Code": "EntryNotFound"}
_REGULAR = {"uploadMode": "regular", "shouldIgnore": False}


def _json(members: dict[str, Any]) -> Response:
    return Response(json.dumps(members), mimetype="application/json")


@contextmanager
def running_hub(refusal: int = 0) -> Iterator[LoopbackHub]:
    """A Hub of its own on a free port."""
    hub = LoopbackHub(refusal=refusal)
    with served(hub.application) as url:
        hub.url = url
        yield hub
