"""Any downscaler at scale, restartable."""
