"""What a check is, what it is given, and what comes of it."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from cosmoformer.errors import CosmoFormerError
from cosmoformer.models.registry import Registry
from cosmoformer.settings import SETTINGS, Settings
from cosmoformer.storage.store import Store

#: What the keys of objects that checks make start with, after a prefix.
RESERVED = ".cosmoformer-doctor-"
State = Literal["ok", "doubtful", "wrong"]
_PATIENCE_S = 10.0  # for one answer of store or registry; the settings may allow functions more
_USER_IN_URL = re.compile(r"(?<=//)[^/@\s]+@")
_IN_POD = "Run it in a pod of the cluster to have it checked: `kubectl exec`, or a Job with the image of a function"


class Doubt(CosmoFormerError):
    """Something works, but not as it should, or could not be checked."""


@dataclass(frozen=True)
class Finding:
    """What came of a check.

    Attributes:
        check: its name.
        state: whether it is well.
        came: what was found.
        mend: what to do about it; empty when all is well.
    """

    check: str
    state: State
    came: str
    mend: str = ""


class System:
    """What is checked.

    Args:
        settings: the names and addresses of everything.
    """

    def __init__(self, settings: Settings) -> None:
        brief = {
            name: min(getattr(settings, name), _PATIENCE_S)
            for name in ("store_timeout_seconds", "registry_timeout_seconds")
        }
        self.settings = Settings(**(vars(settings) | brief))
        self.registry = Registry(self.settings)
        self.store = Store(self.settings)

    def address(self, setting: str) -> str:
        """The address that a setting names."""
        public = setting == "S3_PUBLIC_ENDPOINT_URL"
        return str(self.settings.store_public_url if public else getattr(self.settings, setting.lower()))

    def without_secrets(self, text: str) -> str:
        """Text in which neither a secret setting nor the user in an address can be read."""
        for name in (setting.name.lower() for setting in SETTINGS if setting.secret):
            if value := str(getattr(self.settings, name)):
                text = text.replace(value, "***")
        return _USER_IN_URL.sub("***@", text)


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: what people call it.
        setting: which setting has the address that is asked; empty when nothing is.
        make: says what it found; raises what is wrong, or a :class:`Doubt`.
        essential: whether the system cannot work while this is not well.
    """

    name: str
    setting: str
    make: Callable[[System], str]
    essential: bool = True

    def finding(self, system: System, state: State, came: str, mend: str = "") -> Finding:
        """A finding of this check, on one line and without secrets."""
        came, mend = (" ".join(system.without_secrets(text).split()) for text in (came, mend))
        return Finding(self.name, state, came, mend)

    def unanswered(self, system: System, deadline_s: float) -> Finding:
        """The finding when nothing came in time."""
        came = f"no answer within {deadline_s:.0f} s"
        mend = f"Does something between here and {self.setting} swallow requests, or is there very much to count?"
        return self.finding(system, "wrong" if self.essential else "doubtful", came, mend)


def find(check: Check, system: System) -> Finding:
    """Make a check; nothing that it raises gets out."""
    try:
        return check.finding(system, "ok", check.make(system))
    except Doubt as doubt:
        return check.finding(system, "doubtful", doubt.detail, doubt.mend)
    except CosmoFormerError as error:
        if check.setting and _is_inner(address := system.address(check.setting)):
            return check.finding(system, "doubtful", f"{address} is known inside its cluster only", _IN_POD)
        return check.finding(system, "wrong" if check.essential else "doubtful", error.detail, error.mend)
    except Exception as error:  # one check that fails in a new way must not take the others with it
        came = f"unexpected {type(error).__name__}: {error}"
        return check.finding(system, "wrong", came, f"Look at {check.setting or 'the settings'}")


def _is_inner(address: str) -> bool:
    """Whether an address is that of a Kubernetes Service, asked from outside its cluster."""
    host = urlsplit(address).hostname or ""
    if not host.endswith((".svc", ".svc.cluster.local")):
        return False
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return True
    return False
