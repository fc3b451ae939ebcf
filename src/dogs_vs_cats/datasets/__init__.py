"""Catalog types of this project; every one of them writes beside, syncs and renames."""

from dogs_vs_cats.datasets.environments import EnvironmentsDataset as EnvironmentsDataset
from dogs_vs_cats.datasets.experiments import ExperimentsDataset as ExperimentsDataset
from dogs_vs_cats.datasets.exported_files import ExportedFilesDataset as ExportedFilesDataset
from dogs_vs_cats.datasets.formats import ArraysDataset as ArraysDataset
from dogs_vs_cats.datasets.formats import AtomicDataset as AtomicDataset
from dogs_vs_cats.datasets.formats import FigureDataset as FigureDataset
from dogs_vs_cats.datasets.formats import FileHashDataset as FileHashDataset
from dogs_vs_cats.datasets.formats import JSONDataset as JSONDataset
from dogs_vs_cats.datasets.formats import MemoryMapDataset as MemoryMapDataset
from dogs_vs_cats.datasets.keras_model import KerasModelDataset as KerasModelDataset
from dogs_vs_cats.datasets.local_file import FolderDataset as FolderDataset
