"""Images drawn by the project itself."""
