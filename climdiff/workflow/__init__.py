"""What a user asks for, from beginning to end: train, generate, verify, report."""
