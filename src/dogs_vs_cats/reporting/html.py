"""Templates of pages, and pictures that are part of a page."""

import base64
import io

import jinja2
import numpy as np

from dogs_vs_cats.reporting import wording


def environment(package: str, folder: str = "templates") -> jinja2.Environment:
    """Prepares the templates of a package.

    Args:
        package: Its dotted name.
        folder: Where in it the templates are.

    Returns:
        Templates in which a missing value is an error. Values in `.html.jinja` are escaped; `data_uri` and the
        functions of `wording` that write a number are filters.
    """
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader(package, folder),
        autoescape=jinja2.select_autoescape(["html.jinja"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {function.__name__: function for function in (data_uri, *wording.FILTERS)}
    return templates


def data_uri(picture: bytes, kind: str = "png") -> str:
    """Writes a picture as the address of an `img` element.

    Args:
        picture: Content of its file.
        kind: The format, as in its media type.
    """
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def jpeg_uri(pixels: np.ndarray, quality: int, side: int | None = None) -> str:
    """Writes a photo as the address of an `img` element; see `jpeg`."""
    return data_uri(jpeg(pixels, quality, side), "jpeg")


def jpeg(pixels: np.ndarray, quality: int, side: int | None = None) -> bytes:
    """Writes a photo as a JPEG file.

    Args:
        pixels: uint8, shape (height, width, 1 or 3).
        quality: Of the file, 1..95.
        side: Height and width at most, in pixels; None for those of the photo.
    """
    from PIL import Image

    photo = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    if side:
        photo.thumbnail((side, side))
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=quality)
    return file.getvalue()
