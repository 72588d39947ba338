"""Showing results: figures, maps and the HTML page."""
