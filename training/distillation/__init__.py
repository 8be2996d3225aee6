"""Learning from other models: what they say of the training split, computed once and kept."""
