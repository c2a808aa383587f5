"""From a ledger to what people read: tables, figures, one page, a comparison in W&B."""
