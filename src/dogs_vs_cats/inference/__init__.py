"""Inference: running models over many images."""
