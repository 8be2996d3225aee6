"""Memory while decoding: bounded by the pixels at work, and given back."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from cosmoformer.images.pixels_at_work import PixelsAtWork

FOUR_AT_ONCE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from cosmoformer.images.decoding import decode
from cosmoformer.images.picture import Limits
def memory(name):
    line = next(line for line in open("/proc/self/status") if line.startswith(name))
    return int(line.split()[1]) // 1024
content = sys.stdin.buffer.read()
before = memory("VmRSS")
with ThreadPoolExecutor(4) as pool:
    pictures = list(pool.map(lambda _: decode(content, Limits(32 << 20, 33 << 20)), range(4)))
    print(len(pictures), memory("VmHWM") - before, memory("VmRSS") - before)
"""


def test_four_large_pictures_at_once_take_the_memory_of_one() -> None:
    """Four JPEG 2000 of 33 megapixels and a few kilobytes are decoded one after the other, and their memory is given back."""
    values = np.zeros((5792, 5792), np.uint8)
    values[:2896] = 90
    stream = io.BytesIO()
    Image.fromarray(values).convert("RGB").save(stream, "JPEG2000")
    assert len(stream.getvalue()) < 20_000
    done = subprocess.run(
        [sys.executable, "-c", FOUR_AT_ONCE], input=stream.getvalue(), capture_output=True, check=True
    )
    count, peak_mib, afterwards_mib = map(int, done.stdout.split())
    assert count == 4
    assert peak_mib < 900
    assert afterwards_mib < 150


def test_small_pictures_are_decoded_side_by_side() -> None:
    """As long as their pixels fit together, nobody waits."""
    work, both = PixelsAtWork(), threading.Barrier(2)

    def decode() -> int:
        with work.holding(50, most=100):
            return both.wait(timeout=30)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(future.result() for future in [pool.submit(decode), pool.submit(decode)]) == [0, 1]


def test_a_large_picture_is_not_overtaken_for_ever() -> None:
    """What comes after a picture that waits for its place waits behind it; one over the bound gets its turn alone."""
    work, order = PixelsAtWork(), list[str]()

    def decode(name: str, pixels: int) -> None:
        with work.holding(pixels, most=100):
            order.append(name)

    large = threading.Thread(target=decode, args=("large", 500))
    small = threading.Thread(target=decode, args=("small", 10))
    with work.holding(60, most=100):
        large.start()
        while not work.someone_waits():
            time.sleep(0.001)
        small.start()
    large.join(30)
    small.join(30)
    assert order == ["large", "small"]
