"""What CosmoFormer is compared with, each served in processes of its own.

They import nothing of the functions, and are given what suits them: their authors' recommended way to load and serve a model.
"""
