"""Analysis of ledger rows: evidence, statistics, comparisons, tuning. It computes numbers and renders nothing.

May import tasks (for their metrics), record, configuration, errors, files and randomness.
"""
