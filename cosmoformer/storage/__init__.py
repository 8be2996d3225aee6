"""The object store and what is kept in it: images, results, and tables of results.

Imports only what stands at the package's root.
"""
