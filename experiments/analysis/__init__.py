"""From ledger rows to statements: evidence, statistics, comparisons, tuning. Numbers in, numbers out; no rendering.

May import tasks (for their metrics), record, configuration, errors, files and randomness.
"""
