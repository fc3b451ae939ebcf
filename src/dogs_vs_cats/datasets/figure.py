"""A matplotlib figure as a PNG file, the same bytes for the same figure."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset

from dogs_vs_cats.storage.atomic import replace_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DOTS_PER_INCH = 120


class FigureDataset(AbstractDataset["Figure", bytes]):
    """Saves a figure as PNG, and loads the picture's bytes; a missing one that is optional loads as no bytes."""

    def __init__(self, *, filepath: str, optional: bool = False, metadata: dict[str, Any] | None = None):
        """Remembers the file.

        Args:
            filepath: The local `.png` file.
            optional: Whether there need not be such a picture.
            metadata: Anything; Kedro hands it through.
        """
        self._filepath = Path(filepath)
        self._optional = optional
        self.metadata = metadata

    def load(self) -> bytes:
        """Reads the PNG file."""
        if self._optional and not self._filepath.is_file():
            return b""
        return self._filepath.read_bytes()

    def save(self, data: "Figure") -> None:
        """Draws the figure. The picture names neither matplotlib's version nor a date."""
        with replace_atomically(self._filepath) as partial:
            data.savefig(
                partial,
                format="png",
                dpi=_DOTS_PER_INCH,
                metadata={"Software": None},
                # Photos take half the time that they take at the usual level 6, and 5 % more space.
                pil_kwargs={"compress_level": 3},
            )

    def _exists(self) -> bool:
        return self._optional or self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
