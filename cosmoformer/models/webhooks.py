"""Webhooks of the registry: MLflow tells ingest when an alias moves."""

from __future__ import annotations

from cosmoformer.models.registry import Registry

_NAME = "cosmoformer"


def subscribe_to_promotions(registry: Registry, secret: str) -> None:
    """Let MLflow tell ingest when an alias moves; a webhook that is there already is left alone."""
    url = f"{registry.settings.ingest_url}/hooks/mlflow"
    known = registry.get("webhooks", max_results=100).get("webhooks", [])
    if not any(webhook.get("url") == url for webhook in known):
        events = [{"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}]
        registry.post("webhooks", name=_NAME, url=url, events=events, secret=secret, status="ACTIVE")
