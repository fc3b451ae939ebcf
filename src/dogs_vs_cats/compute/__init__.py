"""Computation: starting Keras, precision, threads, differences between backends."""
