"""The experiment suite: trains an activation on a task, records it, and compares the records."""
