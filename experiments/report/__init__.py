"""Output from a ledger: tables, figures, one page, a comparison in W&B."""
