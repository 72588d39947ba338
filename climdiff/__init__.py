"""climdiff: probabilistic high-resolution climate fields with conditional diffusion models."""

__version__ = "0.1.0"
