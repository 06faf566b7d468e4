"""Containers by the Docker Engine API, of Docker or Podman."""
