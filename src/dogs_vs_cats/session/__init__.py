"""The session of a run: its configuration, what it selects, its lock, and checks of its inputs."""
