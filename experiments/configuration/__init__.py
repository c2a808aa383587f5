"""From the command line to a checked configuration and a run's identity. Imports neither torch nor data.

May import errors, files and randomness alone; a task's schema and metrics are loaded by the name in configs/task.
"""
