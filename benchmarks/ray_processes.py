"""A Ray cluster of several machines, as real processes on this computer."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil


class RayProcesses:
    """A head without processors, and two machines with one processor each.

    Args:
        environment: Variables of the machines beside those of this process.

    Attributes:
        address: For `compute.cluster`.
        machines: The processes that stand for machines, each with children.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = str(free.getsockname()[1])
        self.address = f"127.0.0.1:{self._port}"
        # Ray's workers would give way to whatever else runs on this computer.
        self._environment = {**os.environ, "RAY_worker_niceness": "0", **environment}
        self._start("--head", f"--port={self._port}", "--num-cpus=0", "--include-dashboard=false")
        self._head = self._raylets()
        self.machines: list[psutil.Process] = []
        try:
            self.complete()
        except BaseException:
            self.stop()
            raise

    def complete(self) -> None:
        """Starts machines until there are two that are alive."""
        alive = self._raylets()
        self.machines = [machine for machine in self.machines if machine in alive]
        while len(self.machines) < 2:
            self._start(f"--address={self.address}", "--num-cpus=1")
            self.machines += self._raylets() - self._head - set(self.machines)

    def kill_a_machine(self) -> None:
        """Kills a machine with all that runs on it, as a lost power supply would."""
        machine = self.machines.pop()
        for process in (machine, *machine.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def processes(self) -> set[psutil.Process]:
        """All processes of the cluster: Ray's that have its port as an argument, and their children."""
        found = set()
        for process in psutil.process_iter(["cmdline"]):
            command = process.info["cmdline"] or []
            ends = (f":{self._port}", f"={self._port}")
            if "ray" in " ".join(command[:3]) and any(word.endswith(ends) for word in command):
                with suppress(psutil.NoSuchProcess):
                    found |= {process, *process.children(recursive=True)}
        return found

    def workers(self) -> set[psutil.Process]:
        """Those that run tasks, or wait for some."""
        return {
            process for machine in self.machines for process in machine.children() if _name(process)[:6] == "ray::_"
        }

    def stop(self) -> None:
        """Kills them."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _start(self, *arguments: str) -> None:
        command = [str(Path(sys.executable).with_name("ray")), "start", *arguments]
        command += ["--disable-usage-stats", "--object-store-memory=100000000"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=self._environment)
        assert done.returncode == 0, done.stdout + done.stderr

    def _raylets(self) -> set[psutil.Process]:
        return {process for process in self.processes() if _name(process) == "raylet"}


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""
