"""Holds every claim of the lectures against what this project computes and measures."""
