"""Parameters of the random transforms that training images go through."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from dogs_vs_cats.parameters.base import CONTRADICTION, ParameterGroup


class AugmentationParameters(ParameterGroup):
    """How training images are transformed; names and meanings are those of Keras's `ImageDataGenerator`.

    Attributes:
        engine: `keras` is Keras's own code; `warp` draws the same transforms and gives the same pixels (within 0.01
            of 255, or 2 after a change of brightness) many times faster; `device` transforms on the accelerator inside
            the training step, with random numbers of its own. `auto` takes `device` where there is a GPU, else `warp`.
        rotation_range: Largest rotation either way, in degrees.
        width_shift_range: Largest shift up or down, as a fraction of the width. That it isn't the shift to either
            side is a mistake of Keras (keras-team/keras issue 17398), reproduced here in all engines.
        height_shift_range: Largest shift to either side, as a fraction of the height.
        shear_range: Largest shear angle either way, in degrees (not radians: 0.2 is hardly visible).
        zoom_range: Height and width are each scaled by a factor between 1 - zoom_range and 1 + zoom_range.
        channel_shift_range: Largest number that is added to or subtracted from all values, 0..255.
        brightness_range: Lowest and highest factor of the brightness; null leaves it alone.
        horizontal_flip: Whether half of the images are mirrored left to right.
        vertical_flip: Whether half of the images are turned upside down.
        fill_mode: How the places that the image leaves are filled: by its `nearest` pixel, its `reflect`ion, its
            opposite side (`wrap`), or the value `cval` (`constant`).
        cval: The value for `constant`, 0..255.
        interpolation_order: Order of the spline between pixels; 1 is bilinear. `warp` is only faster at 1, and
            `device` has only 1.
    """

    engine: Literal["auto", "keras", "warp", "device"]
    rotation_range: Annotated[float, Field(ge=0, le=180)]
    width_shift_range: Annotated[float, Field(ge=0, lt=1)]
    height_shift_range: Annotated[float, Field(ge=0, lt=1)]
    shear_range: Annotated[float, Field(ge=0, lt=90)]
    zoom_range: Annotated[float, Field(ge=0, lt=1)]
    channel_shift_range: Annotated[float, Field(ge=0, le=255)]
    brightness_range: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2, max_length=2)] | None
    horizontal_flip: bool
    vertical_flip: bool
    fill_mode: Literal["nearest", "reflect", "constant", "wrap"]
    cval: Annotated[float, Field(ge=0, le=255)]
    interpolation_order: Annotated[int, Field(ge=0, le=5)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.brightness_range is not None and self.brightness_range[0] > self.brightness_range[1]:
            raise PydanticCustomError(
                CONTRADICTION, f"brightness_range is [lowest, highest], not {self.brightness_range}"
            )
        if self.engine == "device" and self.interpolation_order != 1:
            raise PydanticCustomError(
                CONTRADICTION,
                f"engine: device interpolates with interpolation_order: 1 only, not {self.interpolation_order}; "
                "engine: keras has the others",
            )
        return self
