"""Gets the headless base: pretrained, or developed here on a source task."""
