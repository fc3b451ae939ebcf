"""Provenance of results: the code, the machine and the packages that made them."""
