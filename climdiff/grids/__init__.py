"""Where values are: horizontal grids and moving fields between them."""
