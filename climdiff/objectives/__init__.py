"""What teaches a network that makes a member in one evaluation: objectives of `training.loop`."""
