"""How well a model does: predictions of an artifact, figures of merit, robustness, reports and pictures."""
