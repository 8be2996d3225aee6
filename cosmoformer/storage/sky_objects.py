"""What is known of the object in an image beside its pixels: name, place, survey, scale and size.

Whoever sends an image may tell each of :data:`FIELDS`, under its name in any spelling: ``x-amz-meta-object-id`` of an object in
the store, ``?object_id=`` of a bare image, the extension attribute ``objectid`` of a CloudEvent. What is told wrongly is left out
and named in the result; the image is classified all the same. Metadata of uploads, which strangers choose, tell nothing.
"""

from __future__ import annotations

import email.errors
import email.header
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cosmoformer.images.framing import Framing
from cosmoformer.images.sky import Sky
from cosmoformer.settings import LEAST_ZOOM, MOST_ZOOM, Settings
from cosmoformer.storage.keys import is_upload
from cosmoformer.text import printable

if TYPE_CHECKING:
    from cosmoformer.storage.store import ObjectInfo

Known = dict[str, str | float]
_NO_CHARACTER = "\N{REPLACEMENT CHARACTER}"
_SHOWN = 40  # characters of what is left out
_JNAME = re.compile(r"(?<![A-Za-z0-9])J(\d\d)(\d\d)(\d\d(?:\.\d+)?)([+-])(\d\d)(\d\d)(\d\d(?:\.\d+)?)(?!\d)")


@dataclass(frozen=True)
class Field:
    """One thing that may be told of an object.

    Attributes:
        name: in results.
        expected: what it may be, in words.
        longest: characters of a text; 0 for a number.
        least: the least that a number may be.
        most: the most that it may be.
        above: whether the least itself is too little.
        below: whether the most itself is too much.
    """

    name: str
    expected: str
    longest: int = 0
    least: float = -math.inf
    most: float = math.inf
    above: bool = False
    below: bool = False

    def read(self, text: str) -> str | float:
        """The value of a text.

        Raises:
            ValueError: it has none.
        """
        if self.longest:
            value = " ".join(text.split())
            if not (0 < len(value) <= self.longest and value.isprintable()) or _NO_CHARACTER in value:
                raise ValueError
            return value
        number = float(text)
        inside = self.least <= number <= self.most and math.isfinite(number)
        if not inside or (self.above and number == self.least) or (self.below and number == self.most):
            raise ValueError
        return number


FIELDS = (
    Field("object_id", "1 to 128 printable characters", longest=128),
    Field("ra", "degrees from 0 to below 360", least=0, most=360, below=True),
    Field("dec", "degrees from -90 to 90", least=-90, most=90),
    Field("survey", "1 to 64 printable characters", longest=64),
    Field("pixel_scale", "seconds of arc a pixel, above 0 and at most 3600", least=0, most=3600, above=True),
    Field("size_arcsec", "seconds of arc, above 0 and at most 36000", least=0, most=36_000, above=True),
    Field("zoom", f"a number from {LEAST_ZOOM:g} to {MOST_ZOOM:g}", least=LEAST_ZOOM, most=MOST_ZOOM),
)


def spelling(name: str) -> str:
    """What all spellings of a name have in common."""
    return re.sub(r"[-_ ]", "", name).lower()


_BY_SPELLING = {spelling(field.name): field for field in FIELDS}


@dataclass(frozen=True)
class Told:
    """What the sender of an image tells of its object.

    Attributes:
        known: by the name of the field.
        ignored: what could not be used, a sentence each.
    """

    known: Known = field(default_factory=dict)
    ignored: tuple[str, ...] = ()

    def framing(self, radii: float, zoom: float) -> Framing:
        """How an image is shown to a model.

        Args:
            radii: side that the model wants, in Petrosian radii of the galaxy; 0 for one that does not tell.
            zoom: where neither a zoom is told nor, by this and the file, the size of the galaxy in pixels.
        """
        told, size, scale = (self._number(name) for name in ("zoom", "size_arcsec", "pixel_scale"))
        return Framing(told, size, scale, radii, zoom)

    def _number(self, name: str) -> float | None:
        return float(self.known[name]) if name in self.known else None


def read(members: Mapping[str, Any]) -> Told:
    """What members of a request, an event or an object's metadata tell; members with other names are not looked at."""
    known: Known = {}
    ignored = []
    for name, value in members.items():
        field_ = _BY_SPELLING.get(spelling(name))
        if field_ is None:
            continue
        try:
            found = field_.read(str(value))
        except ValueError:
            shown = printable(str(value))[:_SHOWN]
            ignored.append(f"{field_.name}: expected {field_.expected}, got {shown!r}")
        else:
            if known.setdefault(field_.name, found) != found:
                ignored.append(f"{field_.name}: told twice, as {known[field_.name]!r} and {found!r}")
    if alone := [name for name, other in (("ra", "dec"), ("dec", "ra")) if name in known and other not in known]:
        del known[alone[0]]
        ignored.append(f"{alone[0]}: expected ra and dec together")
    return Told(known, tuple(ignored))


def of_metadata(metadata: Mapping[str, str]) -> Told:
    """What the metadata of an object in the store tell, whose values are header text."""
    return read({name: _text(value) for name, value in metadata.items()})


def told_of(settings: Settings, image: ObjectInfo) -> Told:
    """What its sender tells of an image in the store: nothing of an upload, whose address takes metadata that nobody signed."""
    return Told() if is_upload(settings, image.key) else of_metadata(image.metadata)


def as_metadata(told: Told) -> dict[str, str]:
    """Metadata that tell the store so: names with hyphens, and text beyond ASCII as RFC 2047 has it, since headers are ASCII."""
    return {name.replace("_", "-"): _header(str(value)) for name, value in told.known.items()}


def others(metadata: Mapping[str, str]) -> dict[str, str]:
    """Those metadata of an object that tell nothing of it, as they can be written again."""
    return {name: _header(_text(value)) for name, value in metadata.items() if spelling(name) not in _BY_SPELLING}


def of_name(key: str) -> Known:
    """Object and place that a name such as ``SDSS J123456.78+012345.6`` tells, as surveys designate sources; empty for others."""
    found = _JNAME.search(key)
    if not found:
        return {}
    hours, minutes, seconds, sign, degrees, arcminutes, arcseconds = found.groups()
    ra = 15 * (int(hours) + int(minutes) / 60 + float(seconds) / 3600)
    dec = int(degrees) + int(arcminutes) / 60 + float(arcseconds) / 3600
    if not (ra < 360 and dec <= 90 and max(map(float, (minutes, seconds, arcminutes, arcseconds))) < 60):
        return {}
    return {"object_id": found[0], "ra": round(ra, 7), "dec": round(-dec if sign == "-" else dec, 7)}


def member(told: Told, sky: Sky, name: Known) -> dict[str, Any] | None:
    """What a result says of its object; None where nothing is known.

    What the sender tells comes before what the file's header says, and that before what is read off its name; a place is
    taken whole from one of them. ``told`` names what the sender told.
    """
    said = {"object_id": sky.object_id, "ra": sky.ra, "dec": sky.dec, "pixel_scale": sky.pixel_scale}
    header: Known = {field_: value for field_, value in said.items() if value is not None and value != ""}
    known = name | header | told.known
    if not known and not told.ignored:
        return None
    ordered = {field_.name: known[field_.name] for field_ in FIELDS if field_.name in known}
    return {**ordered, "told": sorted(told.known), "ignored": list(told.ignored)}


def is_told(standing: Mapping[str, Any] | None, told: Told) -> bool:
    """Whether a result's member ``object`` has what the sender tells now."""
    return _told(standing) == told.known


def same_told(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two results rest on the same words of a sender."""
    return _told(one.get("object")) == _told(other.get("object"))


def _told(known: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: known.get(name) for name in known.get("told", ())} if known else {}


def _header(text: str) -> str:
    plain = text.isascii() and not text.startswith("=?")
    return text if plain else email.header.Header(text, "utf-8").encode(maxlinelen=0)


def _text(value: str) -> str:
    """The text of a header: UTF-8 that was read as Latin-1, or encoded as RFC 2047 has it, as stores do with other than ASCII."""
    if value.startswith("=?"):
        try:
            return str(email.header.make_header(email.header.decode_header(value)))
        except (LookupError, ValueError, email.errors.MessageError):  # an encoding that nobody knows, or a broken one
            return value
    try:
        return value.encode("latin-1").decode(errors="replace")
    except UnicodeEncodeError:  # of a client that knows better
        return value
