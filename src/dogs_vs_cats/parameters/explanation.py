"""Parameters of the explanation of trained models."""

from typing import Annotated

from pydantic import Field

from dogs_vs_cats.parameters.base import ParameterGroup


class ExplanationParameters(ParameterGroup):
    """The models that are explained, and the images.

    Attributes:
        approach: One of the environment's approaches; None takes all of them, each of which must have been trained.
        image: The image whose feature maps are shown: a path in the manifest, or a file (absolute, or relative to
            the project root). None takes the first test image.
        examples: How many right and how many wrong answers on test images Grad-CAM explains.
    """

    approach: Annotated[str, Field(min_length=1)] | None
    image: Annotated[str, Field(min_length=1)] | None
    examples: Annotated[int, Field(ge=1, le=12)]
