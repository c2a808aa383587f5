"""The processes that train one run together: torchrun's environment, sharding, synchronised batch norm.

May import configuration, errors, files and randomness.
"""
