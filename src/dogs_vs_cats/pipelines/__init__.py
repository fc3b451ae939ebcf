"""The pipelines, a package each: nodes are pure functions, the pipeline module wires them."""
