"""What a user writes, checked: models of a recipe and its loader (no torch, no xarray)."""
