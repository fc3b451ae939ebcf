"""A local web page: photos dropped on it get the answer of each approach, and the labels of photos are reviewed."""
