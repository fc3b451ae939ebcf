"""Inference: running models over many images, here or on a Ray cluster."""
