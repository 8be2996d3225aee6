"""One command a module, each with a ``command`` for click; :mod:`cosmoformer.cli` imports the one that is asked for."""
