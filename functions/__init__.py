"""The functions that Knative runs. ``classify`` and ``ingest`` know nothing of each other; ``runtime`` is what both share."""
