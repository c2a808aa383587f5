"""What a run leaves: its directory, checkpoint, ledger row and environment, and the W&B mirror of them.

May import configuration, errors, files and randomness.
"""
