"""Where steps run: containers by default, plain processes when asked for."""
