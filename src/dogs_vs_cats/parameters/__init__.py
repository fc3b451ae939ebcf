"""Typed parameters, a module for each group, and the schema that checks them all."""
