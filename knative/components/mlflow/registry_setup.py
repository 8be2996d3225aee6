"""What a fresh registry needs: the bundled models as champions, and the webhook that tells ingest of moved aliases.

Leaves a registry that has versions or this webhook as it is, so it may run any number of times.
"""

from __future__ import annotations

import logging
import time

from cosmoformer import logs, settings
from cosmoformer.errors import RegistryUnavailable, SettingsError
from cosmoformer.models.bundled import register_bundled_model, register_further_bundles
from cosmoformer.models.registry import Registry
from cosmoformer.models.webhooks import subscribe_to_promotions
from cosmoformer.served_models import further_models

#: Less than a try of the Job may take (registry-setup.yaml): MLflow's image is pulled, its volume made and its database with it.
PATIENCE_S = 780.0
_PAUSE_S = 2.0


def wait_for(registry: Registry, patience_s: float) -> None:
    """Wait until MLflow answers, which is applied together with this Job.

    Raises:
        RegistryUnavailable: it does not within ``patience_s`` seconds.
    """
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # or a warning of each attempt
    deadline, said = time.monotonic() + patience_s, ""
    while True:
        try:
            registry.versions()
            return
        except RegistryUnavailable as error:
            if time.monotonic() > deadline:
                raise
            if said != error.detail:
                said = error.detail
                print(f"waiting for MLflow: {said}", flush=True)
        time.sleep(_PAUSE_S)


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
    wait_for(registry, PATIENCE_S)
    version = register_bundled_model(registry, print)
    print(f"champion: version {version.version}" if version else "the registry has versions of its own")
    register_further_bundles(registry, further_models(known), print)
    subscribe_to_promotions(registry, known.mlflow_webhook_secret)
    print(f"webhook: {known.ingest_url}/hooks/mlflow")


if __name__ == "__main__":
    main()
