"""Every figure that the documentation quotes, one command each: ``python -m benchmarks.NAME``, or ``make bench`` for all.

Each benchmark runs its references in the same run, interleaved, and compares by ratio: figures of a busy machine wander by 15 %
and more, ratios much less. Results go to ``benchmarks/results/NAME.json``; ``benchmarks/results/README.md`` shows them all.
"""
