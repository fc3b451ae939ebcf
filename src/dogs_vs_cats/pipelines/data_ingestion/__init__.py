"""Checks and decodes every image once, and divides the images into splits."""
