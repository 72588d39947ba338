"""Every method behind one contract; diffusion is one of them."""
