"""Image classification three ways, compared reproducibly with Kedro, DVC and MLflow."""

import sys

from dogs_vs_cats.compute import instruction_sets

__version__ = "0.1.0"

if sys.platform == "win32":  # File locks, resource limits and forked workers are POSIX's.
    raise SystemExit("dogs_vs_cats runs on Linux and macOS. On Windows, install WSL2 and run the same commands there.")

instruction_sets.hold(instruction_sets.LIBRARIES)  # before any of them is imported
