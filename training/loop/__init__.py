"""The training loop and all that it needs: recipe, optimiser, checkpoints, processes, progress and the run's record."""
