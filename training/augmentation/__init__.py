"""Augmentation of whole batches, with the presets of the papers in ``presets/``."""
