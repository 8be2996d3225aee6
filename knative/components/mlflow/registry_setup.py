"""What a fresh registry needs: the bundled model as champion, and the webhook that tells ingest of moved aliases.

Leaves a registry that has versions or this webhook as it is, so it may run any number of times.
"""

from __future__ import annotations

from cosmoformer import logs, settings
from cosmoformer.errors import SettingsError
from cosmoformer.models.bundled import register_bundled_model
from cosmoformer.models.registry import Registry
from cosmoformer.models.webhooks import subscribe_to_promotions


def main() -> None:
    """Set the registry of the settings up.

    Raises:
        SettingsError: there is no secret to sign webhooks with.
        RegistryUnavailable: MLflow does not answer; the Job tries again.
    """
    known = settings.load()
    logs.configure(known.log_level)
    if not known.mlflow_webhook_secret:
        raise SettingsError("MLFLOW_WEBHOOK_SECRET is not set", "Put it into the Secret cosmoformer-webhook")
    registry = Registry(known)
    version = register_bundled_model(registry, print)
    print(f"champion: version {version.version}" if version else "the registry has versions of its own")
    subscribe_to_promotions(registry, known.mlflow_webhook_secret)
    print(f"webhook: {known.ingest_url}/hooks/mlflow")


if __name__ == "__main__":
    main()
