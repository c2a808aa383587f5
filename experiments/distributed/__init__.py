"""Data-parallel training of one run: torchrun's environment, sharding, synchronised batch norm.

May import configuration, errors, files and randomness.
"""
