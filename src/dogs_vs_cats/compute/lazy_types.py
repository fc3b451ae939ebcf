"""Types for annotations of nodes, from libraries that are slow to import.

Kedro resolves the annotations of every node when the parameters are loaded, and leaves the parameters of a node
unchecked where that fails. So the names must exist at run time, without their libraries.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras import Model
    from matplotlib.figure import Figure
else:
    Model = Any
    Figure = Any

__all__ = ["Figure", "Model"]
