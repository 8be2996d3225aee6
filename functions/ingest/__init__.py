"""The ingest function: upload addresses, bucket notifications, webhooks, the sweep and dead letters. It needs no torch."""
