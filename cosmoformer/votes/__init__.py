"""Votes of volunteers: the decision trees that they were led through, as data, and fractions of their answers.

Imports nothing of the project.
"""
