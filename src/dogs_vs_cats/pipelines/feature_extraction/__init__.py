"""Extracts bottleneck features, each image once for each base."""
