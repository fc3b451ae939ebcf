"""The description that an exported file carries, so that whoever runs it knows its input and its answers."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dogs_vs_cats.inference.classifiers import Classifier
    from dogs_vs_cats.parameters.ingestion import Fit


@dataclass(frozen=True)
class Description:
    """Describes the input and the answers of an exported model.

    Attributes:
        name: The model's name.
        classes: Names of the classes, in the order of their labels.
        image_size: Height and width of the images, in pixels.
        channels: 3 for RGB, 1 for grey.
        fit: How photos become squares: `stretch`, `crop` or `pad`.
        bit_depth: Bits that 16-bit image files among the training images use; None where that isn't known.
        input: The input, in words.
        output: The output, in words.
    """

    name: str
    classes: list[str]
    image_size: int
    channels: int
    fit: "Fit"
    bit_depth: int | None
    input: str = (
        "float32 (n, image_size, image_size, channels), pixels from 0 to 255; preprocessing is inside the model"
    )
    output: str = "float32 probabilities: (n, 1), that of classes[1], for two classes, else (n, classes)"

    def fields(self) -> dict[str, str]:
        """Returns each value as JSON, by its name."""
        return {name: json.dumps(value) for name, value in asdict(self).items()}

    def to_json(self) -> str:
        """Returns the description as a JSON document."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def of(cls, classifier: "Classifier", name: str) -> "Description":
        """Describes a model that Keras runs."""
        size, channels = classifier.image_size, classifier.channels
        return cls(name, classifier.classes, size, channels, classifier.fit, classifier.bit_depth)

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> "Description":
        """Reads what `fields` returned.

        Raises:
            KeyError: A value is missing.
            ValueError: A value isn't JSON.
        """
        values: dict[str, Any] = {name: json.loads(fields[name]) for name in cls.__dataclass_fields__}
        return cls(**values)
