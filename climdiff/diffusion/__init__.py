"""The mathematics of the process: chain, schedules, denoisers, losses, guidance."""
