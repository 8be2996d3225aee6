"""The one-machine system that ``cosmoformer up`` starts: object store, registry, functions, broker and page, as processes.

Imported by the ``up`` command alone. It may import every room but ``cli``.
"""
