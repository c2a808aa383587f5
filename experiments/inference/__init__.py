"""Using what was trained: loading a run, measuring it on other data, exporting its model.

May import everything but sweep and benchmarking.
"""
