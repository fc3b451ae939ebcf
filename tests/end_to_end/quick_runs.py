"""Runs of a project that start in no time: what is slow to import is imported once, and each run is a fork.

A run is a process of its own all the same. It can be killed, and be given limits that only it has.
"""

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from pathlib import Path

MODULES = (
    "dogs_vs_cats.pipelines.approach.nodes",
    "dogs_vs_cats.training.search",
    "dogs_vs_cats.images.batches",
    "dogs_vs_cats.inference.prediction",
    "dogs_vs_cats.training.loop",
    "dogs_vs_cats.reporting.comparison_page",
    "dogs_vs_cats.explanation.grad_cam",
    "kedro.framework.cli.cli",
    "kedro_datasets.pandas",
    "kedro_datasets.text",
    "kedro_datasets.partitions",
    "sklearn.metrics",
    "scipy.ndimage",
    "optuna",
    "rich.progress",
)


class QuickRuns:
    """Starts runs in a project, one at a time. Use it as a context manager."""

    def __init__(self, project: Path):
        self.project = project
        self.log = project / "log.txt"
        self.processor_seconds = 0.0

    def __enter__(self) -> "QuickRuns":
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            cwd=self.project,
            env={
                **os.environ,
                "PYTHONPATH": str(self.project / "src"),
                "COLUMNS": "200",
                "DO_NOT_TRACK": "1",
                "DOGS_VS_CATS_TRACKING": "off",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.server = self._server.pid
        assert self._read() == "ready", (self.project / "server_log.txt").read_text()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate(timeout=60)

    def _read(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()

    def start(self, *arguments: str, **limits: int) -> int:
        """Starts `kedro ARGUMENTS`, with limits such as `RLIMIT_FSIZE=1000`; returns its process's number."""
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps({"arguments": arguments, "limits": limits}) + "\n")
        self._server.stdin.flush()
        return int(self._read())

    def wait(self) -> int:
        """Waits for the end of the run; returns its exit code, below 0 for the number of a signal.

        `processor_seconds` is then the processor time that it took.
        """
        status, seconds = self._read().split()
        self.processor_seconds = float(seconds)
        return os.waitstatus_to_exitcode(int(status))

    def run(self, *arguments: str, **limits: int) -> int:
        """Starts a run and waits for its end."""
        self.start(*arguments, **limits)
        return self.wait()

    def output(self) -> str:
        """The output of the last run."""
        return self.log.read_text(encoding="utf-8", errors="replace")


def serve() -> None:
    """Forks a run for each line of the input, says its number, and its end."""
    answers = os.fdopen(os.dup(1), "w")
    redirect(Path("server_log.txt"))
    import yaml

    from dogs_vs_cats.compute.start import prepare_environment
    from dogs_vs_cats.parameters.compute import ComputeParameters

    # As the first run would do, before anything is imported that reads it.
    parameters = yaml.safe_load(Path("conf/base/parameters.yml").read_text(encoding="utf-8"))
    prepare_environment(ComputeParameters.model_validate(parameters["compute"]))
    for module in MODULES:
        importlib.import_module(module)
    # Every epoch's state is kept, so that short trainings go on in the middle too.
    vars(importlib.import_module("dogs_vs_cats.training.loop"))["SECONDS_BETWEEN_STATES"] = 0
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            _run(**json.loads(line))
        print(process, file=answers, flush=True)
        _, status, used = os.wait4(process, 0)
        print(status, used.ru_utime + used.ru_stime, file=answers, flush=True)


WATCHED = ("pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.bind")
"""Events that nothing a run reads may cause; see Python's table of audit events."""


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """Writes down what a run does beyond reading, computing and writing."""
    if event in WATCHED:
        with Path("events.txt").open("a") as file:
            file.write(f"{event} {arguments}\n")


def redirect(path: Path) -> None:
    """Sends all that this process prints to a file."""
    with path.open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)


def _run(arguments: list[str], limits: dict[str, int]) -> None:
    code = 1
    try:
        redirect(Path("log.txt"))
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        for name, limit in limits.items():
            resource.setrlimit(getattr(resource, name), (limit, limit))
        sys.addaudithook(watch)
        sys.argv = ["kedro", *arguments]
        importlib.import_module("kedro.framework.cli.cli").main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path.remove(str(Path(__file__).parent))
    serve()
