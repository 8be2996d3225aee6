"""The capacity model: what a cluster, or one machine, makes of a stream of images.

``python -m benchmarks.capacity`` checks it against the measured benchmarks and answers for 10^6 and 10^8 images a day.
"""
