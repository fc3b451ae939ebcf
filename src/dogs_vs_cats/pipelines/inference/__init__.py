"""Classifies new photos, as many as there are, and goes on where it was interrupted."""
