"""Parameters of data ingestion."""

from collections.abc import Set
from typing import Annotated, Any, Literal, TypedDict

from pydantic import Field, field_validator

from dogs_vs_cats.parameters.base import ParameterGroup

LABEL_SUFFIXES = frozenset({".csv", ".tsv"})
"""Extensions of tables of labels."""

Fit = Literal["stretch", "crop", "pad"]

SplitSize = Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)]


class DecodingOptions(TypedDict):
    """Options of `decoding.decode` other than the size of the result."""

    max_pixels: int
    min_side: int
    bit_depth: int | None
    fit: Fit


class IngestionParameters(ParameterGroup):
    r"""Where the images come from, how many are used, and how they are decoded and split.

    Attributes:
        source: `sample`; a folder; a `.zip` file or a folder in it (`photos.zip/color`); a `.csv` table with a row for
            each image, its path and its label; each of these in object storage (`s3://bucket/photos`); an `http(s)`
            URL of a zip; `keras:mnist`, `keras:fashion_mnist` or `keras:cifar10`. Paths are absolute or relative to the
            project root.
        classes: Folder or file-name classes in the order of their labels; None takes the sorted names. Where a source
            can be read in several ways, they also settle which is meant.
        train_size: Training images: a count, or a fraction of the usable images.
        validation_size: Validation images, likewise.
        test_size: Test images, likewise.
        image_size: Height and width of the stored images, in pixels. In a parameter file also `auto`, the size of the
            base, which is filled in before the parameters are checked.
        channels: 3 for RGB, 1 for grey.
        fit: How an image that isn't a square becomes one: `stretch` changes its proportions, `crop` takes the central
            square, `pad` adds grey bars.
        sha256: Expected SHA-256 of the downloaded or local archive, as 64 hex digits; None does not check.
        max_pixels: Images with more pixels (width times height) are rejected.
        min_side: Images with fewer pixels on a side are rejected: 1x1 tracking pixels, above all.
        max_bytes: Larger image files are rejected unread.
        bit_depth: Bits that 16-bit image files use, 8 to 16; `auto` takes the lowest of 8, 10, 12, 14 and 16 that holds
            the largest value in the source.
        split: `random` draws a seeded stratified split; `official` keeps the source's own training and test
            parts and cuts validation off the end of the training part in file order; `auto` keeps these parts where the
            source has both, with every class in training, and is `random` otherwise. Fractions of a source that keeps
            its parts are fractions of the part concerned. With `auto` and a fraction as `test_size`, its value doesn't
            count: the whole test part is for testing, and training and validation are drawn from the training part. If
            all three fractions add up to 1, training is all of that part but validation.
        columns: Headers in a table of labels: of the image, of its class and, where there is one, of its part (training
            or test); None detects them.
        images: Folder that the paths in a table of labels are relative to; None takes the folder of the table.
        group: Images that belong together: a column of the table of labels, or a regular expression with one group in
            parentheses that is searched in the path, as in `(patient\d+)_`. Images with the same value stay in one
            split and one fold, and intervals and tests count groups instead of images. None: every image by itself.
        corrections: A `.csv` file of images that get another label or are left out, see `images.corrections`; None
            corrects nothing.
        folds: Number of folds of the cross-validation that measures feature-based approaches, over all images in use;
            `auto` takes 5 where the random test part has fewer than 200 images, and none otherwise. None measures every
            approach on the test images alone.
        near_duplicates: `group` keeps re-encoded, resized or mirrored copies of an image in one split;
            `ignore` does not look for them.
    """

    source: Annotated[str, Field(min_length=1)]
    classes: Annotated[list[str], Field(min_length=2)] | None
    train_size: SplitSize
    validation_size: SplitSize
    test_size: SplitSize
    image_size: Annotated[int, Field(ge=8, le=4096)]
    channels: Literal[1, 3]
    sha256: Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")] | None
    max_pixels: Annotated[int, Field(ge=1)]
    min_side: Annotated[int, Field(ge=1)]
    max_bytes: Annotated[int, Field(ge=1)]
    bit_depth: Annotated[int, Field(ge=8, le=16)] | Literal["auto"]
    split: Literal["random", "official", "auto"]
    folds: Literal["auto"] | Annotated[int, Field(ge=2)] | None = None
    near_duplicates: Literal["group", "ignore"]
    fit: Fit = "stretch"
    columns: Annotated[list[str], Field(min_length=2, max_length=3)] | None = None
    images: Annotated[str, Field(min_length=1)] | None = None
    group: Annotated[str, Field(min_length=1)] | None = None
    corrections: Annotated[str, Field(min_length=1)] | None = None

    @field_validator("image_size", mode="before")
    @classmethod
    def _pixels(cls, size: Any) -> Any:
        if isinstance(size, str):
            raise ValueError("input should be a whole number of pixels from 8 to 4096, or auto, the size of the base")
        return size

    @field_validator("channels", mode="before")
    @classmethod
    def _number(cls, channels: Any) -> Any:
        if isinstance(channels, bool):  # true equals 1 in Python
            raise ValueError("input should be 1 or 3")
        return channels

    @property
    def sizes(self) -> dict[str, int | float]:
        """The wanted size of each split."""
        return {"train": self.train_size, "validation": self.validation_size, "test": self.test_size}

    def record(self, names: Set[str] | None = None) -> dict[str, Any]:
        """The parameters, or some of them, as plain JSON values."""
        return self.model_dump(mode="json", include=None if names is None else {*names})

    def decoding(self, bit_depth: int | None = None, fit: Fit | None = None) -> DecodingOptions:
        """Options for the decoder.

        Args:
            bit_depth: Depth of the images that a model was trained on, which comes before the parameter; None where
                that isn't known.
            fit: Fit of these images, likewise.
        """
        wanted = None if self.bit_depth == "auto" else self.bit_depth
        return {
            "max_pixels": self.max_pixels,
            "min_side": self.min_side,
            "bit_depth": bit_depth or wanted,
            "fit": fit or self.fit,
        }
