"""Settings, optimisers, trainer, history, run folder."""
