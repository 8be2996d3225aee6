"""A model on the Hugging Face Hub: what is published of it, and how it gets there.

Imports the rooms of models and training runs.
"""
