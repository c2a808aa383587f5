"""The task contract, and one folder for each task with everything that is that task's.

May import record, distributed, configuration, errors, files and randomness; a task never imports another task.
"""
