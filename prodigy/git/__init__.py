"""The only host code that runs git."""
