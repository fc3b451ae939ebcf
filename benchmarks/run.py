"""Speed and memory against the usual way, recorded for this kind of machine and shown in README.md and docs.

    make bench
    make bench ROWS="augmentation lecture_run"

The rows are sized for half an hour on two cores with AVX2.
"""

import logging
import sys
import time
from importlib import import_module

import machines
import material

ROWS = {
    "lecture_run": "whole_runs",
    "ingestion_memory": "whole_runs",
    "orchestration_overhead": "whole_runs",
    "dvc_repro_unchanged": "whole_runs",
    "augmentation": "steps",
    "decode_resize": "decoding",
    "training_with_augmentation": "training",
    "optimizer_update": "steps",
    "batch_normalisation": "steps",
    "vgg16_extraction": "features",
    "extraction_cached": "features",
    "approach2_epoch": "features",
}
"""The module that has a function of each row's name.

They are imported late: a process counts the memory of the one that started it as its own peak, so whole runs are
measured before this process imports Keras.
"""


def main(wanted: list[str]) -> None:
    """Measures, and records each row at once, so that an interrupted run loses nothing."""
    material.check()
    if unknown := sorted(set(wanted) - set(ROWS)):
        sys.exit(f"there is no row {unknown[0]!r}; there are {', '.join(ROWS)}")
    logging.disable(logging.WARNING)
    provenance = machines.provenance()
    for name in (row for row in ROWS if row in wanted or not wanted):
        print(f"{name} …", end="", flush=True)
        begin = time.perf_counter()
        row = getattr(import_module(ROWS[name]), name)()
        print(f" {time.perf_counter() - begin:.0f} s", flush=True)
        machines.record({name: {**row, **provenance}}, {})
        machines.write_pages()
    print(machines.table(machines.read()))


if __name__ == "__main__":
    main(sys.argv[1:])
