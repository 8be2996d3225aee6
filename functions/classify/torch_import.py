"""The import of torch, which takes longer than anything else at a start, without what predictions do not need."""

from __future__ import annotations

import gc
import os
import sys
import threading
from types import ModuleType

#: They tell compilers (``torch.compile``, ``torch.export``) the shapes of results, in Python, for every operator; a quarter of
#: the import's time goes into them and what they import. A TorchScript graph is run by C++, which never asks them.
_FOR_COMPILERS = ("torch._meta_registrations", "torch.distributed._meta_registrations")
_importing = threading.Lock()


def import_torch() -> None:
    """Import torch for predictions, unless it has been imported; returns when it is there.

    ``torch.compile`` and ``torch.export`` need ``import torch._meta_registrations`` afterwards.
    """
    with _importing:
        if "torch" in sys.modules:
            return
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's products are not used, yet its threads would start
        sys.modules.update({name: ModuleType(name) for name in _FOR_COMPILERS})
        gc.disable()  # half a million new objects, all of them kept
        try:
            import torch  # noqa: F401
        finally:
            gc.freeze()  # nor are they looked at in later collections, which would make a prediction wait
            gc.enable()
            for name in _FOR_COMPILERS:
                del sys.modules[name]
