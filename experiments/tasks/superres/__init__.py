"""Single-image super-resolution: task, data, batches, models, image quality, and a bundled sample."""
