"""The numbers of the pictures that teach the theory."""
