"""Plain torch modules that know no diffusion."""
