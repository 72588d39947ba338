"""The figures that teach the theory."""
