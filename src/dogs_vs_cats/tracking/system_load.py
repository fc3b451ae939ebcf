"""The load of the machine, under the names that MLflow's page groups as system metrics."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count

import psutil

SAMPLE_SECONDS = 5.0
"""Time between two samples."""


class LoadSampler(threading.Thread):
    """Samples processor, memory, disk, network and NVIDIA GPUs until it is stopped."""

    def __init__(self, record: Callable[[dict[str, float], int], object]):
        """Starts to sample.

        Args:
            record: Receives each sample, and its number from 0.
        """
        super().__init__(daemon=True)
        self._record = record
        self._stopped = threading.Event()
        self._network = psutil.net_io_counters()
        self.start()

    def stop(self) -> None:
        """Stops sampling; no sample arrives after it."""
        self._stopped.set()
        self.join()

    def run(self) -> None:
        """Samples every few seconds, at once for the first time."""
        with suppress(OSError, psutil.Error):  # a full disk, or a figure that this system lacks
            for number in count():
                self._record(self._sample(), number)
                if self._stopped.wait(SAMPLE_SECONDS):
                    return

    def _sample(self) -> dict[str, float]:
        """The present load in per cent, megabytes and watts; for the processor, the mean since the last sample."""
        memory, disk, network = psutil.virtual_memory(), psutil.disk_usage(os.sep), psutil.net_io_counters()
        load = {
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_megabytes": memory.used / 1e6,
            "system_memory_usage_percentage": 100 * memory.used / memory.total,
            "disk_usage_percentage": disk.percent,
            "disk_usage_megabytes": disk.used / 1e6,
            "disk_available_megabytes": disk.free / 1e6,
            "network_receive_megabytes": (network.bytes_recv - self._network.bytes_recv) / 1e6,
            "network_transmit_megabytes": (network.bytes_sent - self._network.bytes_sent) / 1e6,
        }
        with suppress(Exception):  # no package nvidia-ml-py, no driver, or a GPU that doesn't report its power
            load |= _gpu_load()
        return {f"system/{name}": round(value, 1) for name, value in load.items()}


def _gpu_load() -> dict[str, float]:
    import pynvml

    pynvml.nvmlInit()
    load = {}
    for number in range(pynvml.nvmlDeviceGetCount()):
        device = pynvml.nvmlDeviceGetHandleByIndex(number)
        memory = pynvml.nvmlDeviceGetMemoryInfo(device)
        load[f"gpu_{number}_memory_usage_megabytes"] = memory.used / 1e6
        load[f"gpu_{number}_memory_usage_percentage"] = 100 * memory.used / memory.total
        load[f"gpu_{number}_utilization_percentage"] = pynvml.nvmlDeviceGetUtilizationRates(device).gpu
        load[f"gpu_{number}_power_usage_watts"] = pynvml.nvmlDeviceGetPowerUsage(device) / 1000
    return load
