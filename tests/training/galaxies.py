"""Small catalogues of rendered galaxies, in the layouts of real ones."""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from cosmoformer.render import SAMPLES, render
from training.tasks import TASKS

CLEAN5, OWN = TASKS["clean5"], TASKS["own"]
LOOK_ALIKES = {
    "round_smooth": "round_smooth",
    "in_between_smooth": "in_between_smooth",
    "cigar_smooth": "cigar_smooth",
    "edge_on_with_bulge": "edge_on",
    "two_armed_spiral": "spiral",
}


def picture(sample: str, seed: int, suffix: str = "webp", size: int = 64) -> bytes:
    """A rendered galaxy as an encoded image file."""
    stream = io.BytesIO()
    Image.fromarray(render(SAMPLES[sample], size=size, seed=seed)).save(stream, "JPEG" if suffix == "jpg" else suffix)
    return stream.getvalue()


def small_catalogue(folder: Path, per_class: int = 8, votes: bool = False) -> Path:
    """A folder with one parquet file: of each class half in ``train``, a quarter each in ``val`` and ``test``.

    With votes there are all columns of vote fractions, and nobody voted on every fifth galaxy.
    """
    rows = [
        {
            "uid": f"{sample}-{seed}",
            "split": ("train", "train", "val", "test")[seed % 4],
            "image": picture(sample, seed),
            "clean5": label,
        }
        for sample, label in LOOK_ALIKES.items()
        for seed in range(per_class)
    ]
    table = pd.DataFrame(rows)
    if votes:
        fractions = pd.DataFrame(vote_fractions(len(table)), columns=list(CLEAN5.targets))
        fractions.iloc[::5] = np.nan
        table = pd.concat([table, fractions], axis=1)
    folder.mkdir(parents=True, exist_ok=True)
    table.to_parquet(folder / "gz_challenge-small.parquet")
    return folder


def published_galaxy10(path: Path, count: int = 60, size: int = 32) -> Path:
    """A file in the layout of ``Galaxy10_DECals.h5``, in chunks of many images; rows 0 and 1 are one galaxy."""
    samples, generator = list(SAMPLES.values()), np.random.default_rng(0)
    ra, dec = generator.uniform(0, 360, count), generator.uniform(-20, 80, count)
    ra[1], dec[1] = ra[0], dec[0]
    images = np.stack([render(samples[row % len(samples)], size=size, seed=row) for row in range(count)])
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=images, chunks=(min(70, count), 8, 8, 1), compression="gzip")
        file["ans"], file["ra"], file["dec"] = (np.arange(count) % 10).astype(np.uint8), ra, dec
        file["pxscale"] = np.full(count, 0.262)
    return path


def vote_fractions(count: int) -> NDArray[np.float32]:
    """Random fractions (count, targets) whose answers to one question sum to at most one."""
    generator = np.random.default_rng(0)
    asked = [generator.uniform(0, 1, (count, 1)) for _ in CLEAN5.questions]
    answers = [generator.dirichlet(np.ones(len(question)), count) for question in CLEAN5.questions]
    return np.hstack([share * answer for share, answer in zip(asked, answers, strict=True)]).astype(np.float32)


def rows(*images: bytes | str | None, split: str = "train", start: int = 0) -> pd.DataFrame:
    """A source's rows, one for each image."""
    uids = [f"g{start + number}" for number in range(len(images))]
    return pd.DataFrame({"uid": uids, "split": split, "label": "spiral", "image": list(images)})


def labelled_csv(folder: Path, labels: dict[str, str], per_class: int = 8) -> Path:
    """A CSV file with this label of each sample, and its images: half in ``train``, a quarter each in ``val`` and ``test``."""
    lines = []
    for sample, label in labels.items():
        for seed in range(per_class):
            name = f"{sample}-{seed}.webp"
            (folder / name).write_bytes(picture(sample, seed))
            lines.append({"path": name, "label": label, "split": ("train", "train", "val", "test")[seed % 4]})
    pd.DataFrame(lines).to_csv(folder / "galaxies.csv", index=False)
    return folder / "galaxies.csv"


GALAXIES = [picture("two_armed_spiral", seed) for seed in range(6)]
