"""Judges any ensemble, ours or not (no torch)."""
