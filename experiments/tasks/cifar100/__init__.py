"""CIFAR-100 image classification: task, data, batches, model, and a bundled sample."""
