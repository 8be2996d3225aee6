"""Build the container images with podman or buildah: ``make images``, or ``make image-classify`` for one.

    python3 tools/build_images.py [--list] [NAME...]

Environment, which `make` passes on (``make images BASE=…``):

- ``IMAGE_PREFIX``, ``IMAGE_TAG``: names and version; those of knative/components/images unless given.
- ``BASE``: the image that all are built on, and the name that ``make image-base`` gives; each Containerfile's own unless given.
- ``TORCH_INDEX_URL``: the index that torch comes from; pip's own unless given.
- ``ISOLATION``: ``chroot`` where containers cannot be nested.
- ``ENGINE``: ``podman`` or ``buildah``; whichever there is unless given.

pip in the builds is configured as pip on this machine: what ``pip config list`` says reaches it as a build secret, which is in no
layer, and local folders and files that it names are mounted.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
#: Where each image is described.
CONTAINERFILES: Mapping[str, Path] = {
    "classify": Path("functions/classify/Containerfile"),
    "ingest": Path("functions/ingest/Containerfile"),
    "web": Path("web/Containerfile"),
    "mlflow": Path("mlflow/Containerfile"),
    "training": Path("training/Containerfile"),
}
_NAMES = ROOT / "knative" / "components" / "images" / "kustomization.yaml"
#: pip's options whose values may be paths of what it reads.
_WITH_PATHS = (
    "index-url",
    "extra-index-url",
    "find-links",
    "cert",
    "client-cert",
    "constraint",
    "build-constraint",
    "requirement",
)
#: A line of a constraints or requirements file that names another one, beside it unless its path is absolute.
_INCLUDED = re.compile(r"^\s*(?:-c|-r|--constraint|--requirement)[ =]*([^\s#]+)", re.MULTILINE)


def reference(name: str) -> str:
    """Name and version of an image, as the manifests have them unless the environment says otherwise.

    Raises:
        ValueError: the manifests name no such image, or not by a version.
    """
    pattern = rf"- name: {name}\n +newName: (\S+)/{name}\n +newTag: (\S+)\n"
    found = re.search(pattern, _NAMES.read_text(encoding="utf-8"))
    if not found:
        raise ValueError(f"{_NAMES} has no name and version of the image {name!r}")
    return f"{os.environ.get('IMAGE_PREFIX') or found[1]}/{name}:{os.environ.get('IMAGE_TAG') or found[2]}"


def engine() -> str:
    """Which program builds."""
    for program in filter(None, [os.environ.get("ENGINE"), "podman", "buildah"]):
        if shutil.which(program):
            return program
    sys.exit("Neither podman nor buildah is installed: apt-get install podman, or dnf install podman")


def pip_options() -> dict[str, str]:
    """How pip is configured here, by option: files first, then the environment over them."""
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True)
    options = {}
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    for line in sorted(lines, key=lambda line: line.startswith(":env:.")):
        key, _, value = line.partition("=")
        section, _, option = key.partition(".")
        if section in ("global", "install", ":env:") and option != "config-file":
            values = ast.literal_eval(value).split()  # a list stands in several lines
            options[option] = " ".join(map(_absolute, values) if option in _WITH_PATHS else values)
    return options


def _absolute(value: str) -> str:
    """A path as the builds need it, which run in another folder."""
    return value if urlsplit(value).scheme or not Path(value).exists() else str(Path(value).absolute())


def local_paths(options: Mapping[str, str]) -> Iterator[Path]:
    """Folders and files of this machine that pip's options name, and those that these files name in turn."""
    for option in _WITH_PATHS:
        for value in options.get(option, "").split():
            if (path := _local(value)) is not None:
                reads = option in ("constraint", "build-constraint", "requirement")
                yield from _with_included(path) if reads else [_served_folder(path)]


def _local(value: str) -> Path | None:
    """The file or folder of this machine that a value names, if it names one that is there."""
    parts = urlsplit(value)
    path = Path(parts.path)
    return path if parts.scheme in ("", "file") and path.exists() else None


def _with_included(file: Path) -> Iterator[Path]:
    yield file
    for name in _INCLUDED.findall(file.read_text(encoding="utf-8")):
        if (path := _local(name if urlsplit(name).scheme else str(file.parent / name))) is not None:
            yield from _with_included(path)


def _served_folder(path: Path) -> Path:
    """An index refers to files beside it."""
    return path.parent if path.name == "simple" else path


def build(name: str, scratch: Path) -> None:
    """Build one image.

    Raises:
        CalledProcessError: the engine failed, after saying why.
    """
    options = pip_options()
    configuration = scratch / "pip.conf"
    configuration.write_text("[global]\n" + "".join(f"{option} = {value}\n" for option, value in options.items()))
    version = reference(name).rpartition(":")[2]
    arguments = {"VERSION": version, "REVISION": _revision()}
    arguments |= {key: os.environ[key] for key in ("BASE", "TORCH_INDEX_URL") if os.environ.get(key)}
    containerfile = ROOT / CONTAINERFILES[name]
    if "ARG TORCH_INDEX_URL" not in containerfile.read_text(encoding="utf-8"):
        arguments.pop("TORCH_INDEX_URL", None)
    command = [engine(), "build", "--layers", "--file", str(containerfile), "--tag", reference(name)]
    command += ["--secret", f"id=pip.conf,src={configuration}"]
    for key, value in arguments.items():
        command += ["--build-arg", f"{key}={value}"]
    for path in dict.fromkeys(local_paths(options)):
        command += ["--volume", f"{path}:{path}:ro"]
    if os.environ.get("ISOLATION"):
        command += ["--isolation", os.environ["ISOLATION"]]
    print(f"building {reference(name)}", flush=True)
    subprocess.run([*command, str(ROOT)], check=True)
    size = subprocess.run(
        [engine(), "images", "--format", "{{.Size}}", reference(name)], capture_output=True, text=True
    )
    print(f"built {reference(name)}: {size.stdout.strip()} unpacked", flush=True)


def _revision() -> str:
    """The commit that is built; with a mark if files differ from it."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(git, capture_output=True, text=True) if shutil.which("git") else None
    return done.stdout.strip() if done and done.returncode == 0 else "unknown"


def main(names: list[str]) -> None:
    """Build images, all unless some are named."""
    if names == ["--list"]:
        print("\n".join(map(reference, CONTAINERFILES)))
        return
    if unknown := set(names) - set(CONTAINERFILES):
        sys.exit(f"there is no image {', '.join(sorted(unknown))}; there are {', '.join(CONTAINERFILES)}")
    with tempfile.TemporaryDirectory() as scratch:
        for name in names or CONTAINERFILES:
            try:
                build(name, Path(scratch))
            except subprocess.CalledProcessError as error:
                sys.exit(f"building the image {name} failed: {shlex.join(error.cmd)}")


if __name__ == "__main__":
    main(sys.argv[1:])
