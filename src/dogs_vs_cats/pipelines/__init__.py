"""The pipelines, a package each: nodes are pure functions, the pipeline module wires them."""

import warnings

# Kedro has no other notation than dots for the datasets of several namespaces.
warnings.filterwarnings("ignore", message="One or more dataset names contain")
