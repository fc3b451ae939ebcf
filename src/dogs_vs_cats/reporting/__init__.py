"""The report of a comparison: what was found, in words and as a page."""
