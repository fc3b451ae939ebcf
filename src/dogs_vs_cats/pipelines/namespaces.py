"""Reading from the namespaces of approaches."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def dotted_names() -> Iterator[None]:
    """Lets nodes read datasets of several namespaces by dotted names, for which Kedro has no other notation.

    Otherwise, Kedro warns of each such name.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="One or more dataset names contain")
        yield
