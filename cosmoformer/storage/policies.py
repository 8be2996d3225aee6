"""Bucket policies that hold the page's two keys to what the page needs, as statements that every S3 store understands.

The upload key puts objects below ``uploads/`` of the images bucket and does nothing else; the view key gets objects there, and
their results, explanations and feature vectors. It may list the results bucket, since a store else answers 403 instead of 404
while there is no result; an address of one object lists nothing. What is allowed is also denied everywhere else, since the keys
may belong to an account with more rights: the bucket's own (a subuser of Ceph's), or one that owns the objects which it has
put. Actions are listed one by one: Ceph 16 takes ``NotAction`` in a denial and does not act on it.
"""

from __future__ import annotations

import json
from typing import Any

from cosmoformer.served_models import settings_of_each
from cosmoformer.settings import Settings
from cosmoformer.storage.keys import UPLOADS

_PUT, _GET, _LIST = "s3:PutObject", "s3:GetObject", "s3:ListBucket"
_OTHERS = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetObjectAcl",
    "s3:GetObjectTagging",
    "s3:GetObjectVersion",
    "s3:PutBucketPolicy",
    "s3:PutObjectAcl",
    "s3:PutObjectTagging",
)


def bucket_policy(settings: Settings, bucket: str) -> str | None:
    """The policy of one bucket, as JSON; None when no principal is named.

    Args:
        settings: name buckets, prefixes, and the principals ``UPLOAD_PRINCIPAL`` and ``VIEW_PRINCIPAL``.
        bucket: its name; images and results may share one.
    """
    uploads = f"{settings.images_prefix}{UPLOADS}"
    images = [uploads] if bucket == settings.images_bucket else []
    shown = [prefix for one in settings_of_each(settings).values() for prefix in _shown(one)]
    results = [f"{prefix}{uploads}" for prefix in shown] if bucket == settings.results_bucket else []
    statements = [
        *_only(settings.upload_principal, bucket, _PUT, images, denied=(_GET, _LIST, *_OTHERS)),
        *_only(settings.view_principal, bucket, _GET, images + results, denied=(_PUT, *_OTHERS)),
    ]
    if settings.view_principal:
        may = "Allow" if results else "Deny"
        statements.append(_statement(may, settings.view_principal, _LIST, Resource=[_root(bucket)]))
    return json.dumps({"Version": "2012-10-17", "Statement": statements}) if statements else None


def _shown(settings: Settings) -> list[str]:
    """What the keys of a model's objects start with that are shown to those who may see an image."""
    return [
        prefix for prefix in (settings.results_prefix, settings.explanations_prefix, settings.features_prefix) if prefix
    ]


def _only(
    principal: str, bucket: str, action: str, prefixes: list[str], *, denied: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Statements that allow a principal one action below some prefixes of a bucket, and deny it that elsewhere, and the rest."""
    if not principal:
        return []
    everything = [_root(bucket), f"{_root(bucket)}/*"]
    below = [f"{_root(bucket)}/{prefix}*" for prefix in prefixes]
    if not below:
        return [_statement("Deny", principal, action, *denied, Resource=everything)]
    return [
        _statement("Deny", principal, *denied, Resource=everything),
        _statement("Allow", principal, action, Resource=below),
        _statement("Deny", principal, action, NotResource=below),
    ]


def _statement(effect: str, principal: str, *actions: str, **where: list[str]) -> dict[str, Any]:
    return {"Effect": effect, "Principal": {"AWS": [principal]}, "Action": list(actions), **where}


def _root(bucket: str) -> str:
    return f"arn:aws:s3:::{bucket}"
