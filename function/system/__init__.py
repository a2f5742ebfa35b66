"""Operating system: resource limits, trusted files, the parent process."""
