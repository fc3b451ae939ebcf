"""Shows what augmentation does to training images."""

from dogs_vs_cats.pipelines.augmentation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
