"""A training loop that knows no model."""
