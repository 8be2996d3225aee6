"""All benchmarks, one after the other, each in a process of its own: ``python -m benchmarks [--quick]``.

One that fails does not keep the others from being run; the exit status tells.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from benchmarks.table import ORDER

_LONGEST_S = 1800.0


def main() -> None:
    """Entry point."""
    failed = []
    for name in ORDER:
        started = time.monotonic()
        status = _run([sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]])
        print(f"{name}: {'done' if status == 0 else 'FAILED'} after {time.monotonic() - started:.0f} s\n", flush=True)
        failed += [name] if status else []
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _run(argv: list[str]) -> int:
    """The exit status; one that takes too long is interrupted, so that it ends its servers."""
    benchmark = subprocess.Popen(argv)
    try:
        return benchmark.wait(_LONGEST_S)
    except subprocess.TimeoutExpired:
        benchmark.send_signal(signal.SIGINT)
        benchmark.wait()
        return 1


if __name__ == "__main__":
    main()
