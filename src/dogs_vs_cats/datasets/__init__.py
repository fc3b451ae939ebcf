"""Catalog types of this project; every one of them writes beside, syncs and renames."""

from dogs_vs_cats.datasets.arrays import ArraysDataset
from dogs_vs_cats.datasets.atomic import AtomicDataset
from dogs_vs_cats.datasets.environments import EnvironmentsDataset
from dogs_vs_cats.datasets.experiments import ExperimentsDataset
from dogs_vs_cats.datasets.figure import FigureDataset
from dogs_vs_cats.datasets.folder import FolderDataset
from dogs_vs_cats.datasets.json_file import JSONDataset
from dogs_vs_cats.datasets.keras_model import KerasModelDataset
from dogs_vs_cats.datasets.memory_map import MemoryMapDataset
from dogs_vs_cats.datasets.row_table import RowTableDataset

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
