"""Everything that ties Kedro to DVC: `dvc.yaml` is written from the pipelines and the catalog, and checked."""
