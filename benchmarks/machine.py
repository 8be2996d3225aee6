"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cosmoformer.cpus import cpu_limit

_PACKAGES = (
    "torch",
    "onnxruntime",
    "openvino",
    "fastapi",
    "uvicorn",
    "litserve",
    "mlflow",
    "bentoml",
    "waitress",
    "flask",
)
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")


def busy(seconds: float = 1.0) -> float:
    """Share of all CPUs' time that is used while this process sleeps, from 0 to 1 (proc(5), ``stat``)."""
    before = _ticks()
    time.sleep(seconds)
    after = _ticks()
    total, idle = (now - then for now, then in zip(after, before, strict=True))
    return 1 - idle / total if total else 0.0


def _ticks() -> tuple[int, int]:
    """All ticks so far, and those that were idle or waited for a disk."""
    ticks = list(map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]))
    return sum(ticks), ticks[3] + ticks[4]


def describe() -> dict[str, Any]:
    """Processor, cores, memory, kernel and versions."""
    return {
        "processor": _processor(),
        "cores": cpu_limit(),
        "instructions": [flag for flag in _FLAGS if flag in _flags()],
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def _cpuinfo(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _flags() -> set[str]:
    return set(_cpuinfo("flags").split())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
