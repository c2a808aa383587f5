"""Text classification: task, data, tokenizer, batches, models, and bundled samples."""
