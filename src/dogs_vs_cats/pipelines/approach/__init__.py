"""Trains and evaluates one approach: a template, instantiated for each under its name as namespace."""
