"""Webhooks of the registry: MLflow tells ingest when an alias moves."""

from __future__ import annotations

from cosmoformer.models.registry import Registry

_NAME = "cosmoformer"
_PATH = "/hooks/mlflow"


def subscribe_to_promotions(registry: Registry, secret: str) -> None:
    """Let MLflow tell ingest when an alias moves.

    A webhook of ours that is there already is left alone; one to another address, where ingest was before or where it is in the
    system that this registry was copied from, is removed.
    """
    url = f"{registry.settings.ingest_url}{_PATH}"
    known = registry.get("webhooks", max_results=100).get("webhooks", [])
    own = [webhook for webhook in known if webhook.get("name") == _NAME and str(webhook.get("url")).endswith(_PATH)]
    for webhook in own:
        if webhook["url"] != url:
            registry.delete(f"webhooks/{webhook['webhook_id']}")
    if not any(webhook["url"] == url for webhook in own):
        events = [{"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}]
        registry.post("webhooks", name=_NAME, url=url, events=events, secret=secret, status="ACTIVE")
