"""Tracks runs in MLflow; the nodes know nothing of it, and no run waits for it.

What it promises:

* Tracking costs no result. If the store is down, slow, locked or read-only, a warning says so before the first node and
  at the end. Whatever goes wrong, the run goes on.
* Nothing that was to be logged is lost. It stays in `.tracking_outbox` until the store takes it: the next run sends it,
  or `kedro tracking upload` does. A run whose process was killed keeps its epochs and is marked as killed.
* Epochs and the load of the machine appear in the store while a model is trained.
* Each approach has one run with its parameters, metrics, figures, data and model. A later evaluation or explanation
  lands in the run that trained the model.
* Everything that one `kedro run`, `dvc repro` or DVC experiment runs has one parent run.
* The best approach by validation log loss is registered for its experiment. It becomes the champion if it is better on
  the same validation images; otherwise a person decides, with `kedro tracking promote`.
* A logged model is code and a `.keras` file, without pickles. It has a signature, an input example and pinned
  requirements, and answers image files over HTTP.
* A run doesn't import MLflow, which takes seconds, and credentials are written nowhere.

How it works: `hooks` hands what happens in a run to a `recorder`, which appends it to an `outbox` on disk: events, and
hard links to the files that they name. A process of its own, the `worker`, follows the outbox, and a `writer` turns
each event into calls of MLflow's client. All of these can be repeated, so the outbox is all the state there is: after
a failure, the events are sent again from the first one on.
"""
