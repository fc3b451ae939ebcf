"""Reading rows of `.npy` files, and writing such files through ordinary writes.

`np.save` says of a full disk only how many items are missing, and a memory map on one ends the process (SIGBUS).
"""

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

LARGE = 256 * 1024**2
"""Size of a memory map, in bytes, from which on what has been read of it is released."""

_AVERAGED_AT_ONCE = 1024


def save_array(path: Path, array: np.ndarray) -> None:
    """Writes an array, the same bytes as `np.save`.

    Raises:
        OSError: It can't be written, with the system's reason.
    """
    ordered = np.asarray(array, order="C")
    with path.open("wb") as file:
        write_header(file, ordered.dtype, ordered.shape)
        file.write(ordered.data)


def map_array(path: Path) -> np.ndarray:
    """Opens a `.npy` file as a read-only memory map.

    Raises:
        OSError: It can't be read.
        ValueError: It is damaged.
    """
    try:
        mapped: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except EOFError as error:
        raise ValueError(f"{path} is empty") from error
    return mapped


def write_header(file: BinaryIO, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Writes the header of a `.npy` file of rows one after the other. It has the same length for any number of rows."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def save_rows(path: Path, shape: tuple[int, int], rows: Iterable[tuple[int, np.ndarray]]) -> None:
    """Writes a float32 array whose rows come in any order.

    Args:
        path: The `.npy` file.
        shape: Of the array, (rows, width).
        rows: Each row, float32 (width,), with its place.

    Raises:
        OSError: It can't be written, with the system's reason.
    """
    with path.open("wb") as file:
        write_header(file, np.dtype(np.float32), shape)
        start = file.tell()
        for place, row in rows:
            file.seek(start + 4 * shape[1] * place)
            file.write(row.tobytes())


def read_rows(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Copies some rows of an array.

    Pages read from a memory map would count as memory of this process until the system needs the room, in the end the
    whole file. So large files are released here; the system still has them in its cache. Mapping the rows again takes
    3 ms for 32 photos of 224 pixels.

    Args:
        array: Any array, or a memory map of a whole file.
        rows: Numbers of rows, int array of shape (m,).

    Returns:
        An array of shape (m, …) in memory.
    """
    copied = np.asarray(array[rows])
    is_mapped = isinstance(array, np.memmap) and array.mode == "r" and array.nbytes >= LARGE
    if is_mapped and isinstance(array.base, mmap.mmap):
        array.base.madvise(mmap.MADV_DONTNEED)
    return copied


def row_parts(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yields `size` rows of an array at a time."""
    return (rows[start : start + size] for start in range(0, len(rows), size))


def averaged(features: np.ndarray, channels: int) -> np.ndarray:
    """Averages flattened feature maps over their positions, a part of the rows at a time.

    Args:
        features: float32 (n, positions x channels), channels last; may be a memory map.
        channels: Features at each position.

    Returns:
        float32 (n, channels); the features themselves where there is one position.
    """
    if features.shape[1] == channels:
        return np.asarray(features)
    means = np.empty((len(features), channels), np.float32)
    for start in range(0, len(features), _AVERAGED_AT_ONCE):
        part = np.asarray(features[start : start + _AVERAGED_AT_ONCE])
        means[start : start + len(part)] = part.reshape(len(part), -1, channels).mean(axis=1)
    return means
