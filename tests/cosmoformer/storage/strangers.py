"""A store as strangers see it: three buckets with what is not theirs, and addresses signed by keys that can do little."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field

import urllib3

from cosmoformer.local.ceph.node import CephNode
from cosmoformer.settings import Settings
from cosmoformer.storage.policies import bucket_policy
from cosmoformer.storage.presigned import Presigner, SignedPut
from cosmoformer.storage.store import Store

SECRET = b"not for strangers"
BODY = b"an image"
KEY = "uploads/mine/m51.jpg"
THEIRS = "uploads/theirs/m51.jpg"


@dataclass
class Strangers:
    """What is in the store, and a stranger's address.

    Attributes:
        settings: name buckets and keys.
        secrets: (bucket, key) of all that holds SECRET.
    """

    settings: Settings
    secrets: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = Store(self.settings)
        self.presigner = Presigner(self.settings)
        images, results, models = self.buckets
        self.secrets = [(images, THEIRS), (images, "samples/m51.jpg"), (results, f"results/{THEIRS}.json")]
        self.secrets += [(results, "judgements/latest.json"), (models, "1/model.pt")]
        for bucket, key in self.secrets:
            self.store.write(bucket, key, SECRET, "application/json")
        for bucket in self.buckets:
            policy = bucket_policy(self.settings, bucket)
            assert policy
            self.store.client.put_bucket_policy(Bucket=bucket, Policy=policy)

    @property
    def buckets(self) -> tuple[str, str, str]:
        return self.settings.images_bucket, self.settings.results_bucket, self.settings.models_bucket

    def upload(self) -> SignedPut:
        """An address that takes BODY under KEY."""
        return self.presigner.put(KEY, "image/jpeg", len(BODY))

    def contents(self) -> dict[tuple[str, str], bytes]:
        """Everything in the buckets."""
        found = {}
        for bucket in self.buckets:
            for entry in self.store.list(bucket):
                answer = self.store.client.get_object(Bucket=bucket, Key=entry.key)
                found[bucket, entry.key] = answer["Body"].read()
        return found

    def readable_by_all(self) -> list[tuple[str, str]]:
        """What can be read, listed or replaced without any key."""
        tried = [*self.contents(), *((bucket, "") for bucket in self.buckets)]
        return [(bucket, key) for bucket, key in tried if self._is_open(f"{bucket}/{key}", writing=bool(key))]

    def _is_open(self, path: str, *, writing: bool) -> bool:
        url = f"{self.settings.s3_endpoint_url}/{path}"
        answers = [ask("GET", url, None, {}), *([ask("PUT", url, b"", {})] if writing else [])]
        return any(answer.status < 400 for answer in answers)


def ask(method: str, url: str, body: bytes | None, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
    """One request, not followed and not tried again."""
    return urllib3.request(method, url, body=body, headers=headers, retries=False, redirect=False)


def make_account(node: CephNode, name: str) -> dict[str, str]:
    """Another user of the gateway, who owns nothing; its keys and its name in policies."""
    argv = ["radosgw-admin", "user", "create", "--uid", name, "--display-name", name]
    argv += ["--access-key", name, "--secret-key", f"{name}-secret", "-c", str(node.layout.folder / "ceph.conf")]
    subprocess.run(argv, check=True, capture_output=True)
    return {
        "access_key_id": name,
        "secret_access_key": f"{name}-secret",
        "principal": f"arn:aws:iam:::user/{name}",
    }
