"""Tracks runs in MLflow; the nodes know nothing of it, and no run waits for it.

Promises:

* Tracking costs no result. If the store is down, slow, locked or read-only, a warning says so at the end and, for
  servers and SQLite databases, before the first node. Whatever goes wrong, the run goes on.
* Nothing that was to be logged is lost. It stays in `.tracking_outbox` until the store takes it: the next run sends
  it, or `kedro tracking upload` does. A run whose process was killed keeps its epochs and is marked as killed.
* Epochs and the load of the machine appear in the store while a model is trained.
* Each approach has one run with its parameters, metrics, figures, data and model. A later evaluation or explanation
  lands in the run that trained the model.
* Everything that one `kedro run`, `dvc repro` or DVC experiment runs has one parent run.
* The best approach by `comparison.metric` is registered for its experiment. It becomes the champion if it is better on
  the same validation images; otherwise a person decides, with `kedro tracking promote`.
* A logged model is code and a `.keras` file, without pickles. It has a signature, an input example and pinned
  requirements, and answers image files over HTTP.
* A run doesn't import MLflow, which takes seconds, and credentials are written nowhere.

How it works: `hooks` passes the events of Kedro and of training to a `recorder`, which appends them as they are to an
`outbox` on disk, with hard links to the files that they name. A process of its own, the `worker`, follows the outbox,
and a `writer` makes calls of MLflow's client of them. All of these can be repeated, so the outbox is all the state
there is: after a failure, the records are sent again from the first one on.
"""
