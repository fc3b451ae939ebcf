"""Shows what augmentation does to training images."""
