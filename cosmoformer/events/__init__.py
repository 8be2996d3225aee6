"""CloudEvents, the bucket notifications they are made from, and the dead letters they may become.

Imports only what stands at the package's root, and the store.
"""
