"""The files of a model repository on the Hugging Face Hub: ``README.md``, ``model.pt``, ``config.json`` and ``report.json``.

The Hub shows ``README.md`` as the model's card and reads its metadata from the YAML before it.
Format: Hugging Face Hub documentation, "Model Cards", and ``modelcard.md`` of the repository huggingface/hub-docs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cosmoformer.errors import PermanentError
from cosmoformer.publishing.publication import Figures, Publication
from cosmoformer.runs.folder import MODEL_FILE, REPORT_FILE

README_FILE, CONFIG_FILE = "README.md", "config.json"
OPTIONAL_FILES = (REPORT_FILE,)  # that one publication has and the next may not
_LICENSE = "apache-2.0"
_PIPELINE = "image-classification"  # the Hub's name of what the model is for; it has none for other tasks
_TAGS = ("galaxy-morphology", "astronomy", "torchscript", "cosmoformer")
_NAMES = {"probabilities": "probabilities", "values": "values"}  # of what a model of one such group gives, in Python
_MACRO = {"average": "macro"}

_LOADING = """\
## How to load it

`hf download {repository} --local-dir .` fetches the files. In Python, with no more than torch:

```python
import torch
model = torch.jit.load("{file}", map_location="cpu").eval()
{outputs} = model(torch.zeros(1, 3, 424, 424, dtype=torch.uint8))  # instead of zeros: square RGB images, uint8 (N, 3, S, S)
```

`{outputs}` are float32 (N, {count}); the columns are {classes}. Crop, resize and normalisation are inside the model.
SHA-256 of `{file}`: `{sha256}`.
"""


def hub_files(publication: Publication, repository: str, datasets: Sequence[str] = ()) -> dict[str, bytes]:
    """Content by name of the files of a model repository.

    Args:
        publication: the model.
        repository: ``OWNER/NAME``.
        datasets: data sets on the Hub that the model was trained on, ``OWNER/NAME`` each.
    """
    metadata = publication.metadata
    config = asdict(metadata) | {"file": MODEL_FILE, "sha256": publication.sha256}
    files = {
        README_FILE: _readme(publication, repository, datasets).encode(),
        MODEL_FILE: publication.artifact,
        CONFIG_FILE: (json.dumps(config, indent=1, ensure_ascii=False) + "\n").encode(),
    }
    return files if publication.report is None else files | {REPORT_FILE: publication.report}


def write_files(files: dict[str, bytes], folder: Path) -> None:
    """Write the files to a folder, which is made if it is missing.

    Raises:
        PermanentError: the folder is not empty, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise PermanentError(f"{folder} is not empty", "Name a new folder for the prepared files, or an empty one")
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise PermanentError(f"cannot write {folder}: {error}", "Name a folder that can be written") from None


def _readme(publication: Publication, repository: str, datasets: Sequence[str]) -> str:
    card = publication.card.strip() or f"# CosmoFormer, run {publication.metadata.run}"
    names = publication.metadata.names
    loading = _LOADING.format(
        repository=repository,
        file=MODEL_FILE,
        outputs=_NAMES.get(publication.metadata.told, "outputs"),
        count=len(names),
        classes=", ".join(f"`{name}`" for name in names),
        sha256=publication.sha256,
    )
    # One line of YAML each; JSON is YAML.
    metadata = _metadata(publication, repository.rpartition("/")[2], datasets)
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in metadata.items()]
    return "\n".join(["---", *lines, "---", "", card, "", loading])


def _metadata(publication: Publication, name: str, datasets: Sequence[str]) -> dict[str, Any]:
    pipeline = [_PIPELINE] if _classifies(publication) else []
    metadata: dict[str, Any] = {"license": _LICENSE, "library_name": "pytorch", "tags": [*_TAGS, *pipeline]}
    if pipeline:
        metadata["pipeline_tag"] = _PIPELINE
    if datasets:
        metadata["datasets"] = list(datasets)
    if figures := publication.figures:
        metrics = _metrics(figures)
        metadata["metrics"] = [metric["type"] for metric in metrics]
        result = {"task": {"type": _PIPELINE}, "dataset": _data_set(publication, figures), "metrics": metrics}
        metadata["model-index"] = [{"name": name, "results": [result]}]
    return metadata


def _classifies(publication: Publication) -> bool:
    return bool(publication.metadata.classes)


def _metrics(figures: Figures) -> list[dict[str, Any]]:
    metrics: list[dict[str, Any]] = [{"type": "accuracy", "value": figures.accuracy, "name": "Accuracy"}]
    if figures.macro_f1 is not None:
        metrics.append({"type": "f1", "value": figures.macro_f1, "name": "Macro F1", "args": _MACRO})
    return metrics


def _data_set(publication: Publication, figures: Figures) -> dict[str, str]:
    """What the figures were measured on. The Hub wants a type and a name; this project's are its tasks."""
    about = publication.metadata
    found = {"type": about.task, "name": f"CosmoFormer's task {about.task}, data version {about.data_version}"}
    return found | ({"split": figures.split} if figures.split else {})
