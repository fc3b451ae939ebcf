"""Answers in a browser and over HTTP.

A local web page gives the answer of each approach for photos dropped on it, and reviews labels. A model server gives
those of one model to programs.
"""
