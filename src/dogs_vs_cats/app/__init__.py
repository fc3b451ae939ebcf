"""A local web page: drop photos on it to see the answer of each approach and its heat map."""
