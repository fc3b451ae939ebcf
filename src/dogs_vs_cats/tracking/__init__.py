"""Mirrors the results of a run into MLflow, without the nodes knowing and without the run ever waiting for it.

What happens in a run is written down in a journal on disk (`spool`), at once and without MLflow. A process of its own
(`sender`) reads the journal and repeats it to the MLflow store while the run goes on. If the store can't be reached,
the journal stays, and `kedro tracking upload` sends it later. So importing MLflow costs the run nothing, and nothing
that MLflow does or doesn't do can change a result.

Nothing here imports MLflow, but the process that sends.
"""
