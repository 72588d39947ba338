"""What values look like to a network: fitted on training times only, invertible."""
