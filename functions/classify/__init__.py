"""The classify function: a CloudEvent that names an image in, a result out.

No torchvision, ``mlflow`` package or pandas: the time from zero to the first result is a feature.
"""
