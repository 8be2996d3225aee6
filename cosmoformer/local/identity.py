"""Keys of one machine's installation: made once, kept in the data folder, readable by its owner alone."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from cosmoformer.errors import SettingsError


@dataclass(frozen=True)
class Identity:
    """Secrets of one installation.

    Attributes:
        access_key: of the store's user.
        secret_key: likewise.
        upload_secret_key: of that user's write-only key, which upload addresses are signed with.
        view_secret_key: of that user's read-only key, which addresses of images and results are signed with.
        webhook_secret: what MLflow signs its webhooks with.
        webhook_encryption_key: what MLflow encrypts that secret with in its database (a Fernet key).
    """

    access_key: str
    secret_key: str
    webhook_secret: str
    webhook_encryption_key: str
    upload_secret_key: str
    view_secret_key: str


def load_or_make(path: Path) -> Identity:
    """Read the identity kept at ``path``, or make one and keep it; a secret that an older version did not know is added.

    Raises:
        SettingsError: the file is there, but cannot be read.
    """
    try:
        kept = json.loads(path.read_text())
        identity = Identity(**(_added() | kept))
    except FileNotFoundError:
        return _make(path)
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}", "Put it back, or start with an empty DATA_DIR") from None
    if not _added().keys() <= kept.keys():
        _keep(path, identity)
    return identity


def _added() -> dict[str, str]:
    """Secrets that files of the first version lack, fresh."""
    return {"upload_secret_key": secrets.token_hex(20), "view_secret_key": secrets.token_hex(20)}


def _make(path: Path) -> Identity:
    made = Identity(
        access_key="cosmoformer",
        secret_key=secrets.token_hex(20),
        webhook_secret=secrets.token_hex(20),
        webhook_encryption_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        **_added(),
    )
    _keep(path, made)
    return made


def _keep(path: Path, identity: Identity) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(identity), file)
    scratch.replace(path)
