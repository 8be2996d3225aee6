"""Models: the artifact, the MLflow registry, and the way of a version into service (register, check, gate, promote, publish).

Imports the package's root and the run folders of :mod:`cosmoformer.runs`; torch only when an artifact is loaded.
"""
