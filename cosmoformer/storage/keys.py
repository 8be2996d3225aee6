"""What can be an object key."""

from __future__ import annotations

import hashlib
import re

from cosmoformer.settings import Settings

#: What the keys of uploaded images start with, after ``IMAGES_PREFIX``.
UPLOADS = "uploads/"
MAX_KEY_BYTES = 1024  # in UTF-8
SUFFIX = ".json"
_CUT_BYTES = (
    MAX_KEY_BYTES - len("~") - 64 - len(SUFFIX)
)  # what is left of a key that is cut: its digest has 64 characters

NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # XML 1.0, section 2.2


def is_key(text: str) -> bool:
    """Whether a store can hold an object of this key: Unicode without NUL, of 1 to 1,024 bytes of UTF-8.

    JSON can also spell lone surrogates, which are no Unicode (Amazon S3 User Guide, "Naming Amazon S3 objects").
    """
    try:
        return 1 <= len(text.encode()) <= MAX_KEY_BYTES and "\0" not in text
    except UnicodeEncodeError:
        return False


def is_upload(settings: Settings, image_key: str) -> bool:
    """Whether strangers may put an image under this key, with an address that they were given."""
    return image_key.startswith(f"{settings.images_prefix}{UPLOADS}")


def can_be_listed(text: str) -> bool:
    """Whether a store can list the keys that start with this text, which may be empty, or come after it."""
    return not text or is_key(text)


def fits_xml(text: str) -> bool:
    """Whether every client can read a listing that repeats this text; listings are XML, which has no other characters."""
    return not NOT_XML.search(text)


def key_of_json(prefix: str, image_key: str) -> str:
    """Where something about an image stands: ``prefix`` + image key + ``.json``.

    A key that would grow past S3's 1,024 bytes is cut and ends in the digest of the whole image key instead.
    """
    key = f"{prefix}{image_key}{SUFFIX}"
    if len(key.encode()) <= MAX_KEY_BYTES:
        return key
    tail = f"~{hashlib.sha256(image_key.encode()).hexdigest()}{SUFFIX}"
    return start_of_json(prefix, image_key) + tail


def start_of_json(prefix: str, start: str) -> str:
    """What :func:`key_of_json` gives for every text that begins so begins with: ``start``, or what a cut leaves of it."""
    return prefix + start.encode()[: _CUT_BYTES - len(prefix.encode())].decode(errors="ignore")
