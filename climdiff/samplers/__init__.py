"""Ways from noise to data, as plain functions."""
