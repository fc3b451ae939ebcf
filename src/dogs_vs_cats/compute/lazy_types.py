"""Types for annotations, from libraries that are slow to import.

Kedro resolves the annotations of every node when the parameters are loaded, and leaves the parameters of a node
unchecked where that fails. Therefore the names must exist at run time, without their libraries.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras import KerasTensor, Layer, Model
    from matplotlib.figure import Figure
else:
    Figure = KerasTensor = Layer = Model = Any

__all__ = ["Figure", "KerasTensor", "Layer", "Model"]
