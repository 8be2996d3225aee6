"""How busy the machine is while a run trains: figures named ``system/…``, which MLflow shows on a page of their own."""

from __future__ import annotations

import logging
import shutil
import subprocess
import threading
import time
from typing import Self

import psutil
import torch

from cosmoformer.cpus import cpu_limit
from training.loop.record import RunRecord

_log = logging.getLogger(__name__)

_MIB = 1 << 20
_TIMEOUT_S = 10
# What nvidia-smi is asked for, and the name of the figure. The driver brings the program; torch asks for a package besides.
_QUERIES = {
    "utilization.gpu": "system/gpu_utilisation_percent",
    "memory.used": "system/gpu_device_memory_mib",
    "power.draw": "system/gpu_power_w",
    "temperature.gpu": "system/gpu_temperature_c",
}


class SystemSampler:
    """Logs the system's figures within a ``with`` block, from a thread, at the step that the run is at.

    ``system/cpu_percent`` is of all CPUs that this process may use, ``system/rss_mib`` its resident memory. On a GPU
    ``system/gpu_memory_mib`` is what this process has reserved; the rest of ``system/gpu_…`` is the whole device's.

    Args:
        record: where to.
        device: that the run trains on.
        every_s: pause between two samples, seconds.
    """

    def __init__(self, record: RunRecord, device: torch.device, every_s: float = 15.0) -> None:
        self._record, self._device, self._every_s = record, device, every_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="system metrics", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _repeat(self) -> None:
        before = _busy()
        while not self._end.wait(self._every_s):
            after = _busy()
            cpu = 100 * (after[0] - before[0]) / (after[1] - before[1]) / cpu_limit()
            before = after
            try:
                figures = {
                    "system/cpu_percent": cpu,
                    "system/rss_mib": psutil.Process().memory_info().rss / _MIB,
                    **_gpu(self._device),
                }
                self._record.log(None, figures)
            except Exception as error:  # no run ends for want of these
                _log.warning("the system's figures are no longer recorded: %s", error)
                return


def _busy() -> tuple[float, float]:
    """CPU seconds of this process and its ended children, and the time, seconds."""
    times = psutil.Process().cpu_times()
    return times.user + times.system + times.children_user + times.children_system, time.monotonic()


def _gpu(device: torch.device) -> dict[str, float]:
    if device.type != "cuda":
        return {}
    figures = {"system/gpu_memory_mib": torch.cuda.memory_reserved(device) / _MIB}
    program = shutil.which("nvidia-smi")
    if program is None:
        return figures
    # By its UUID: torch numbers only the devices that this process may see.
    uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
    argv = [program, f"--id={uuid}", f"--query-gpu={','.join(_QUERIES)}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True).stdout
    except (subprocess.SubprocessError, OSError):  # a slice of a device has another UUID
        return figures
    return figures | read_answer(answer)


def read_answer(line: str) -> dict[str, float]:
    """Figures by name from a line of nvidia-smi; what a device does not measure (``[N/A]``) is left out."""
    figures = {}
    for name, value in zip(_QUERIES.values(), line.strip().split(","), strict=True):
        try:
            figures[name] = float(value)
        except ValueError:
            continue
    return figures
