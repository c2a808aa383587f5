"""The activations under their names in other libraries; each module needs its library, and nothing else imports it."""
