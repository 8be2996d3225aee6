"""What an artifact is made of: the classifier around a traced model, its calibration, and one flat module of both."""
