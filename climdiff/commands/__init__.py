"""Groups of commands, each with a name of its own on the command line."""
