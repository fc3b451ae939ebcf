"""Photos as a page shows them."""

import cv2
import numpy as np

from dogs_vs_cats.images.decoding import DecodedImage

JPEG_QUALITY = 88


def in_proportion(photo: DecodedImage) -> np.ndarray:
    """Gives a photo that was stretched to a square its proportions; the longer side keeps its length."""
    scale = len(photo.pixels) / max(photo.width, photo.height)
    size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    return cv2.resize(photo.pixels, size, interpolation=cv2.INTER_AREA)
