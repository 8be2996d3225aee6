"""Galaxies on their way to the training device: sources, catalogue, splits, decoding, cache, sampling."""
