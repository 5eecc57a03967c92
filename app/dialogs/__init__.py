"""Dialogs: what is made, brought in or given away, and how. The work itself stands in ``app.workers``."""
