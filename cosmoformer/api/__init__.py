"""CosmoFormer from Python: :class:`~cosmoformer.api.classifier.Classifier` without any server, and
:class:`~cosmoformer.api.client.Client` of a running system.

Both are names of the package ``cosmoformer``, imported when they are first used. They may use every room but ``local``, ``cli``.
"""
