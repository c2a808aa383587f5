"""The life of one run: the loop, its optimizer, its console, its signals, its result.

May import everything but report, sweep and benchmarking.
"""
