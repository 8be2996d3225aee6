"""Upload addresses: presigned PUTs, each for one file of one type and one size, and where its result will stand.

Nothing here asks the store: presigning is arithmetic with a secret key. docs/uploads.md shows requests and answers.
"""

from __future__ import annotations

import hashlib
import logging
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cosmoformer.errors import InvalidRequest
from cosmoformer.served_models import further_models, settings_for
from cosmoformer.settings import Settings
from cosmoformer.storage.keys import MAX_KEY_BYTES, fits_xml
from cosmoformer.storage.presigned import Presigner, upload_keys
from cosmoformer.storage.results import result_key
from cosmoformer.timestamps import rfc3339
from functions.ingest import links, metrics

log = logging.getLogger(__name__)

_UNTYPED = "application/octet-stream"
_TYPES = re.compile(rf"image/[a-z0-9.+-]+|application/fits|{_UNTYPED}")
_LONGEST_EXTENSION = 16  # characters; what is longer is no extension
_EXAMPLE = '{"files": [{"name": "m51.jpg", "type": "image/jpeg", "size": 48211}]}'


class FileRefused(Exception):
    """One file of a request gets no address.

    Args:
        code: short stable name of the reason.
        detail: the reason in words a person understands.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True)
class _File:
    """One file as it was asked for, checked."""

    name: str
    type: str
    size: int


class Uploads:
    """Gives out upload addresses.

    Attributes:
        presigner: signs them.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self.presigner = settings, Presigner(settings)
        if upload_keys(settings) is None:
            log.warning(
                "upload addresses are signed with AWS_ACCESS_KEY_ID: whoever holds one may be able to read what that key"
                " reads; set UPLOAD_ACCESS_KEY_ID, and see docs/security.md and `cosmoformer doctor`"
            )

    def prepare(self, request: Any) -> dict[str, Any]:
        """Answer a request for upload addresses.

        Args:
            request: ``{"files": [{"name", "type", "size"}, …], "batch": optional}``; sizes in bytes. A file with a ``key``
                of this batch in place of its name gets new addresses for that key.

        Returns:
            ``{"batch", "show", "uploads"}``: the name that uploads into this batch, the one that shows it, and one upload a
            file, in order: ``name``, ``key``, ``put`` (method, url, headers), ``expires`` (of the PUT; ISO 8601), ``result``
            (key, url, expires) and ``further``, the same by name of each further model; or ``name`` and ``error`` (code, detail)
            for a refused file.

        Raises:
            InvalidRequest: the request as a whole is malformed.
            NotAllowed: its batch is a name that only shows.
        """
        files, batch = self._files(request), links.asked_to_upload(request.get("batch"))
        show = links.showing(batch)
        folder, taken = links.folder(self._settings, show), set[str]()
        return {"batch": batch, "show": show, "uploads": [self._upload(file, folder, taken) for file in files]}

    def _files(self, request: Any) -> list[dict[str, Any]]:
        files = request.get("files") if isinstance(request, dict) else None
        if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
            raise InvalidRequest("expected a JSON object with a list of files", f"Send for example {_EXAMPLE}")
        most = self._settings.max_uploads
        if not 1 <= len(files) <= most:
            raise InvalidRequest(f"expected 1 to {most} files, got {len(files)}", "Split them over several requests")
        return files

    def _upload(self, file: dict[str, Any], folder: str, taken: set[str]) -> dict[str, Any]:
        renewed = "key" in file
        try:
            name = _name_in_key(file["key"], folder) if renewed else _name(file)
            checked = _File(name, _type(file), self._size(file))
        except FileRefused as refused:
            metrics.UPLOADS.count(refused.code)
            return {"name": file.get("name"), "error": {"code": refused.code, "detail": refused.detail}}
        metrics.UPLOADS.count("presigned")
        key = folder + name if renewed else object_key(folder, name, taken)
        taken.add(key)
        return {"name": checked.name, "key": key, **self._addresses(key, checked)}

    def _addresses(self, key: str, file: _File) -> dict[str, Any]:
        put = self.presigner.put(key, file.type, file.size)
        return {
            "put": {"method": "PUT", "url": put.url, "headers": put.headers},
            "expires": expiry(self._settings.upload_expiry_seconds),
            **result_addresses(self._settings, self.presigner, key),
        }

    def _size(self, file: dict[str, Any]) -> int:
        size, most = file.get("size"), self._settings.max_image_bytes
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise FileRefused("invalid_size", f"The size must be a whole number of bytes, got {str(size)[:20]!r}.")
        if size == 0:
            raise FileRefused("empty", "The file is empty.")
        if size > most:
            raise FileRefused("too_large", f"The file has {size:,} bytes; at most {most:,} are classified.")
        return size


def expiry(seconds: int) -> str:
    """When an address that is signed now, for this long, expires; ISO 8601."""
    return rfc3339(datetime.now(UTC) + timedelta(seconds=seconds), "seconds")


def result_address(settings: Settings, presigner: Presigner, key: str) -> dict[str, Any]:
    """Where a result stands or will stand: its ``key``, a presigned ``url``, and when that ``expires``."""
    url = presigner.get_result(key)
    return {"key": key, "url": url, "expires": expiry(settings.result_expiry_seconds)}


def result_addresses(settings: Settings, presigner: Presigner, key: str) -> dict[str, Any]:
    """Where the result of an image stands or will stand; with further models, by their names, those of each too (``further``)."""
    own = {"result": result_address(settings, presigner, result_key(settings, key))}
    further = {
        name: result_address(settings, presigner, result_key(settings_for(settings, name), key))
        for name in further_models(settings)
    }
    return own | ({"further": further} if further else {})


def object_key(folder: str, name: str, taken: set[str]) -> str:
    """Object key of a file, different from those taken and at most 1,024 bytes long.

    A name that is too long is cut and marked with a digest of the whole, a repeated one with a number; both keep their
    extension.

    Args:
        folder: what the key starts with, with its trailing slash.
        name: file name, which may have folders before it.
        taken: keys that are in use.
    """
    stem, extension = _split_extension(name)
    key = _fitting(folder, stem, "", extension)
    number = 1
    while key in taken:
        number += 1
        key = _fitting(folder, stem, f"~{number}", extension)
    return key


def _fitting(folder: str, stem: str, mark: str, extension: str) -> str:
    key = f"{folder}{stem}{mark}{extension}"
    if len(key.encode()) <= MAX_KEY_BYTES:
        return key
    tail = f"~{hashlib.sha256((stem + extension).encode()).hexdigest()[:16]}{mark}{extension}"
    room = MAX_KEY_BYTES - len((folder + tail).encode())
    return folder + stem.encode()[:room].decode(errors="ignore") + tail


def _split_extension(name: str) -> tuple[str, str]:
    """``a/b.fits.gz`` as ``a/b.fits`` and ``.gz``; the extension is empty where there is none."""
    dot = name.rfind(".")
    if dot <= name.rfind("/") + 1 or len(name) - dot > _LONGEST_EXTENSION:
        return name, ""
    return name[:dot], name[dot:]


def _name_in_key(key: Any, folder: str) -> str:
    """What follows the batch's folder in the key of a file that was given an address before."""
    if not isinstance(key, str) or not key.startswith(folder) or len(key.encode(errors="replace")) > MAX_KEY_BYTES:
        raise FileRefused("invalid_key", "The key is none of this batch.")
    return _name({"name": key.removeprefix(folder)})


def _name(file: dict[str, Any]) -> str:
    """The name, unchanged: what would have to be changed to be safe is refused, so that keys hold no surprises."""
    name = file.get("name")
    if not isinstance(name, str) or not name:
        raise FileRefused("invalid_name", "The file has no name.")
    if any(segment in ("", ".", "..") for segment in name.split("/")):
        raise FileRefused("invalid_name", "The name must be a relative path without '.', '..' or empty parts.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name) or not fits_xml(name):
        raise FileRefused("invalid_name", "The name holds control characters or is no Unicode text.")
    return name


def _type(file: dict[str, Any]) -> str:
    """The media type, in lower case; browsers leave it empty for FITS."""
    given = file.get("type") or _UNTYPED
    media_type = given.lower() if isinstance(given, str) else ""
    if not _TYPES.fullmatch(media_type):
        raise FileRefused(
            "unsupported_type",
            f"Files of type {str(given)[:80]!r} are not classified; image/*, application/fits and {_UNTYPED} are.",
        )
    return media_type
