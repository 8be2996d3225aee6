"""CosmoFormer: galaxy morphology as a serverless, event-driven system."""
