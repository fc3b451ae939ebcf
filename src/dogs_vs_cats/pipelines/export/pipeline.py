"""Wiring of the export."""

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.pipelines.export import nodes


def create_pipeline() -> Pipeline:
    """Three nodes: files are written, then checked; a refused one ends the run once the others are safe."""
    return Pipeline(
        [
            Node(
                nodes.write_files,
                inputs=["params:export", "exported_classifier", "images", "manifest", "params:seed", "export_work"],
                outputs="written_files",
                name="write_exported_files",
                tags="keras",
            ),
            Node(
                nodes.check_files,
                inputs=[
                    "params:export",
                    "written_files",
                    "exported_classifier",
                    "images",
                    "manifest",
                    "params:compute",
                ],
                outputs=["exported_files", "export_table"],
                name="check_exported_files",
                tags="keras",
            ),
            Node(
                nodes.refuse,
                inputs=["params:export", "export_table", "exported_files"],
                outputs=None,
                name="refuse_exported_files",
            ),
        ]
    )
