"""Training: the loop, its events, devices, and the search for better parameters."""
