"""Tables of comma-separated values as people save them: their separators, encodings and paths."""

import io
import posixpath

import pandas as pd

from dogs_vs_cats.errors import SourceError
from dogs_vs_cats.images.sources.names import has_image_name, separator_of


def parsed(data: bytes, where: str, headers: str) -> pd.DataFrame:
    """Reads a table as text, without columns that have no header.

    Args:
        data: The content of the file.
        where: Its name in messages.
        headers: The headers that the message about a table without any advises.

    Returns:
        The rows that aren't empty, with text in every cell; empty cells hold empty text. The index counts all rows,
        from 0 after the headers.

    Raises:
        SourceError: It isn't a table in UTF-8.
    """
    try:
        text = data.decode("utf-8-sig")
        if "\0" in text:
            raise ValueError("it has null characters")
        text = text.lstrip("\r\n")
        header = text.partition("\n")[0]
        separator = separator_of(header)
        frame = pd.read_csv(
            io.StringIO(text),
            sep=separator,
            dtype=str,
            keep_default_na=False,
            skipinitialspace=True,
            skip_blank_lines=False,
        )
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceError(
            f"{where} isn't text in UTF-8 (line {line:,}). Save it again as CSV with the encoding UTF-8."
        ) from error
    except ValueError as error:  # pandas's own are its subclasses
        reason = " ".join(str(error).removeprefix("Error tokenizing data. C error: ").split())
        raise SourceError(
            f"{where} can't be read as a table: {reason}. Correct it, or save it again as CSV."
        ) from error
    if has_image_name(header.split(separator)[0].strip()):
        raise SourceError(f"{where} has no headers: its first line is {header.strip()}. Add a first line: {headers}.")
    if not isinstance(frame.index, pd.RangeIndex):
        raise SourceError(f"{where} has rows with more fields than headers. Correct them, or quote fields with commas.")
    frame.columns = frame.columns.str.strip()
    frame = frame.loc[:, ~frame.columns.str.startswith("Unnamed: ")].fillna("")  # where rows have too few fields
    return frame[(frame != "").any(axis=1)]


def as_path(text: str, folder: str) -> str:
    """The path that a table means, relative to its folder where it lies below; with forward slashes."""
    path = text.strip().replace("\\", "/")
    return posixpath.normpath(path.removeprefix(f"{folder}/") if folder else path) if path else ""
