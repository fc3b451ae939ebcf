"""Image classification three ways, compared reproducibly with Kedro, DVC and MLflow."""

__version__ = "0.1.0"
