"""Everything that ties Kedro to DVC: writing and checking `dvc.yaml`, and verifying results against `dvc.lock`."""
