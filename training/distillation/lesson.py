"""What an ensemble says of a training split: the mean over teachers and views, each computed once and kept on disk; or, asked in
every step, of the very images that the student sees.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cosmoformer.terminal import console, progress
from training.augmentation.augment import resized, scaled
from training.augmentation.views import angles
from training.data.cache import ImageCache, locked
from training.distillation.teachers import Teacher
from training.evaluation.views import turned, unchanged
from training.loop.job import Lesson
from training.tasks import Task

_BATCH = 64
_FORMAT = 2  # of what is kept

Answers = NDArray[np.float32]
Angle = tuple[float, bool]


def lesson(
    teachers: Sequence[Teacher],
    task: Task,
    train: ImageCache,
    images: Callable[[Task, int], ImageCache],
    *,
    views: int,
    folder: Path,
) -> Lesson:
    """What teachers say of a training split, in the order of its rows.

    Args:
        teachers: one or more.
        task: of the model that learns.
        train: its training split.
        images: opens the training split as a task and a side see it.
        views: how many a teacher's answer is the mean of.
        folder: where the answers to each view are kept.

    Raises:
        ValueError: a teacher knows other classes, or its images are not those of the split.
    """
    each = []
    for teacher in teachers:
        _check_classes(teacher, task)
        seen = train if _sees_alike(teacher, task, train) else images(teacher.task, teacher.side)
        looks = [(0.0, False)] if views == 1 else angles(views)
        answers = np.mean([_answers(teacher, seen, look, folder) for look in looks], axis=0)
        each.append(_aligned(torch.from_numpy(answers), teacher.task, task).numpy()[_rows(seen, train, teacher)])
    return Lesson(_mean_of_known(each), _told(teachers))


def live_lesson(teachers: Sequence[Teacher], task: Task) -> Lesson:
    """What teachers say of each image just as the student sees it, augmented (Beyer et al. 2022, "Knowledge distillation: a good
    teacher is patient and consistent", section 3.1): dearer than answers that are kept, and for long runs. Feature maps are those
    of the first teacher that shows any.

    Args:
        teachers: one or more.
        task: of the model that learns.

    Raises:
        ValueError: a teacher knows other classes, or looks at another part of an image.
    """
    for teacher in teachers:
        _check_classes(teacher, task)
        if teacher.task.kept != task.kept:
            raise ValueError(
                f"{teacher.name} looks at {teacher.task.kept:.4f} of an image's side, the student at {task.kept:.4f}; asked "
                "in every step both must see the same: set the recipe's crop, or teacher_views above 0"
            )

    def say(teacher: Teacher, images: Tensor) -> Tensor:
        return _aligned(teacher.tell(resized(images, teacher.side)), teacher.task, task)

    def tell(images: Tensor) -> Tensor:
        return torch.stack([say(teacher, images) for teacher in teachers]).nanmean(dim=0)

    guide = next((teacher for teacher in teachers if teacher.show), None)
    if guide is None or guide.show is None:
        return Lesson(None, _told(teachers), tell)
    seen_by, others = guide.show, [teacher for teacher in teachers if teacher is not guide]

    def show(images: Tensor) -> tuple[Tensor, list[Tensor]]:
        answers, maps = seen_by(resized(images, guide.side))
        each = [_aligned(answers, guide.task, task), *(say(teacher, images) for teacher in others)]
        return torch.stack(each).nanmean(dim=0), maps

    return Lesson(None, _told(teachers), tell, show)


def _told(teachers: Sequence[Teacher]) -> str:
    return str(tuple(f"{teacher.name} (SHA-256 {teacher.sha256[:16]}…)" for teacher in teachers))


def _check_classes(teacher: Teacher, task: Task) -> None:
    if set(teacher.task.classes) != set(task.classes):
        raise ValueError(
            f"{teacher.name} knows the classes {teacher.task.classes}, not {task.classes}: it cannot teach"
        )


def _sees_alike(teacher: Teacher, task: Task, train: ImageCache) -> bool:
    return (teacher.side, teacher.task.kept) == (train.pixels.shape[1], task.kept)


def _rows(seen: ImageCache, train: ImageCache, teacher: Teacher) -> NDArray[np.int64]:
    """Where each galaxy of the split stands in what a teacher saw."""
    place = {uid: row for row, uid in enumerate(seen.uids)}
    missing = [uid for uid in train.uids if uid not in place]
    if missing:
        raise ValueError(f"{len(missing)} galaxies of the training split are not among those that {teacher.name} sees")
    return np.array([place[uid] for uid in train.uids], dtype=np.int64)


def _answers(teacher: Teacher, seen: ImageCache, look: Angle, folder: Path) -> Answers:
    """A teacher's answers for all galaxies in one view, kept from before or computed."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_key(teacher, seen, look)}.npy"
    with locked(folder / "lock"):
        if not path.exists():
            scratch = path.with_suffix(".part")
            with scratch.open("wb") as file:
                np.save(file, _computed(teacher, seen, look))
            scratch.replace(path)
    kept: Answers = np.load(path)
    return kept


def _key(teacher: Teacher, seen: ImageCache, look: Angle) -> str:
    uids = hashlib.sha256("\n".join(seen.uids).encode()).hexdigest()
    what = [_FORMAT, teacher.sha256, seen.version, uids, seen.pixels.shape[1], teacher.task.kept, *look]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]


def _computed(teacher: Teacher, seen: ImageCache, look: Angle) -> Answers:
    degrees, mirrored = look
    change = turned(degrees, mirrored=mirrored) if any(look) else unchanged
    rows, parts = np.arange(len(seen.labels)), []
    bar, advance = progress(console(stderr=True), f"{teacher.name} at {degrees:g}°", len(rows))
    with bar:
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            images = change(seen.images(batch).to(teacher.device), batch)
            parts.append(teacher.tell(scaled(images, teacher.side)).cpu())
            advance(len(batch))
    answers: Answers = torch.cat(parts).numpy()
    return answers


def _aligned(answers: Tensor, theirs: Task, ours: Task) -> Tensor:
    """A teacher's answers in the order of the learning task; NaN for what it was not asked."""
    place = {name: column for column, name in enumerate([*theirs.classes, *theirs.answers])}
    names = [*ours.classes, *ours.answers]
    aligned = answers.new_full((len(answers), len(names)), torch.nan)
    known = [column for column, name in enumerate(names) if name in place]
    aligned[:, known] = answers[:, [place[names[column]] for column in known]]
    return aligned


def _mean_of_known(each: Sequence[Answers]) -> Answers:
    """The mean over teachers, of those that gave an answer; NaN where none did."""
    known = np.isfinite(each).sum(axis=0)
    total = np.nansum(each, axis=0, dtype=np.float64)
    return np.where(known, total / np.maximum(known, 1), np.nan).astype(np.float32)
