"""A potential as a TorchScript module."""
