"""Catalog types of this project; every one of them writes beside, syncs and renames."""

from dogs_vs_cats.datasets.environments import EnvironmentsDataset
from dogs_vs_cats.datasets.experiments import ExperimentsDataset
from dogs_vs_cats.datasets.formats import (
    ArraysDataset,
    AtomicDataset,
    FigureDataset,
    JSONDataset,
    MemoryMapDataset,
    RowTableDataset,
)
from dogs_vs_cats.datasets.keras_model import KerasModelDataset
from dogs_vs_cats.datasets.local_file import FolderDataset

__all__ = [
    "ArraysDataset",
    "AtomicDataset",
    "EnvironmentsDataset",
    "ExperimentsDataset",
    "FigureDataset",
    "FolderDataset",
    "JSONDataset",
    "KerasModelDataset",
    "MemoryMapDataset",
    "RowTableDataset",
]
