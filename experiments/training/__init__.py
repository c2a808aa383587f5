"""Training one run: `Run` (its life), `Engine` (the loop), optimizer, evaluation, terminal output, signals.

May import everything but report, sweep and benchmarking.
"""
