"""Model files for use without Keras: writing them, running them, and checking what they answer."""
