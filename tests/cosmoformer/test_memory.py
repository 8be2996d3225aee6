"""Memory of processes that answer many requests in threads."""

from __future__ import annotations

import subprocess
import sys

import pytest

_COUNT = """
import ctypes, sys, tempfile, threading
from cosmoformer.memory import use_one_arena
if sys.argv[1] == "one":
    use_one_arena()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
ready = threading.Barrier(5)
def take():
    ready.wait()
    libc.malloc(100_000)
    ready.wait()
for _ in range(4):
    threading.Thread(target=take).start()
ready.wait()
ready.wait()
with tempfile.NamedTemporaryFile("r") as file:
    stream = ctypes.c_void_p(libc.fopen(file.name.encode(), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(file.read().count("<heap nr="))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="arenas are of the GNU C library")
def test_all_threads_share_one_arena() -> None:
    """Without being told to, each thread takes one of its own."""
    found = {}
    for what in ("one", "many"):
        done = subprocess.run([sys.executable, "-c", _COUNT, what], capture_output=True, text=True, check=True)
        found[what] = int(done.stdout)
    assert found["one"] == 1
    assert found["many"] > 1
