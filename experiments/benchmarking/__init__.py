"""Measuring speed and memory: activations one by one, and training as a run does it. Nothing here changes a result."""
