"""Images: where they come from, decoding, splitting, augmentation, batches."""
