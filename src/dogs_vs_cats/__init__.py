"""Image classification three ways, compared reproducibly with Kedro, DVC and MLflow."""

import sys

__version__ = "0.1.0"

if sys.platform == "win32":  # File locks, resource limits and forked workers are POSIX's.
    raise SystemExit("dogs_vs_cats runs on Linux and macOS. On Windows, install WSL2 and run the same commands there.")
