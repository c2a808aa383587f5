"""Data sets: reading them, and turning them into batches on the device."""
