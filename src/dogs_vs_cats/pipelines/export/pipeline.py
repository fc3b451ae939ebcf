"""Wiring of the export."""

from kedro.pipeline import Node, Pipeline

from dogs_vs_cats.pipelines.export import nodes


def create_pipeline() -> Pipeline:
    """Three nodes: files are written, then checked; a refused one ends the run once the others are safe."""
    data = ["exported_classifier", "images", "manifest"]
    return Pipeline(
        [
            Node(
                nodes.write_files,
                inputs=["params:export", *data, "ingestion_record", "params:seed", "export_work"],
                outputs="written_files",
                name="write_exported_files",
                tags="keras",
            ),
            Node(
                nodes.check_files,
                inputs=["params:export", "written_files", *data, "params:compute"],
                outputs=["exported_files", "export_table"],
                name="check_exported_files",
                tags="keras",
            ),
            Node(
                nodes.finish,
                inputs=["params:export", "export_table", "exported_files", "export_work"],
                outputs=None,
                name="finish_export",
            ),
        ]
    )
