"""Knative on one machine: a broker that delivers to triggers, and an activator that scales a function from zero and back.

Imports the events room, ``local``'s processes and configuration, and the package's root.
"""
