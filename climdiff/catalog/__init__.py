"""Where data is: entries, lazily opened and checked, and the embedded world."""
