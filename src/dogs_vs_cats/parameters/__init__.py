"""Typed parameters, a module for each group."""
