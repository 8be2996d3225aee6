"""Training runs: the folder that a run leaves on disk, and its import into MLflow.

Imports the package's root and the registry's client.
"""
