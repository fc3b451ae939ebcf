"""Evaluation: metrics, calibration, and the distance of an image from the training images."""
