"""The one list of formats: what is told by a name, what by first bytes, and that all who need it have the same."""

from __future__ import annotations

import io
import re
import struct
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from PIL import Image

from cosmoformer.errors import ImageRejected
from cosmoformer.images.decoding import decode
from cosmoformer.images.formats import FORMATS, MEDIA_TYPES, SUPPORTED, matches, media_type, what_else
from cosmoformer.images.picture import Limits
from cosmoformer.render import SAMPLES, render

ROOT = Path(__file__).parents[3]
LIMITS = Limits(image_bytes=32 << 20, image_pixels=32 << 20)
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
GALAXY = Image.fromarray(render(SAMPLES["two_armed_spiral"], size=64, seed=1))


def saved(form: str) -> bytes:
    stream = io.BytesIO()
    GALAXY.save(stream, form)
    return stream.getvalue()


def boxed(brand: bytes, length: int = 28) -> bytes:
    """The start of a file of ISO boxes."""
    return struct.pack(">I", length) + b"ftyp" + brand + bytes(200)


OTHERS = {
    "a HEIC picture": [boxed(b"heic"), boxed(b"heix", 36), boxed(b"mif1", 44), boxed(b"hevc")],
    "an AVIF picture": [boxed(b"avif", 32), boxed(b"avis"), saved("AVIF") if "AVIF" in Image.SAVE else boxed(b"avif")],
    "a video": [boxed(b"isom"), boxed(b"mp42", 32), b"RIFF\0\0\0\0AVI LIST", b"\x1a\x45\xdf\xa3webm"],
    "a camera's raw file": [boxed(b"crx ", 24), b"FUJIFILMCCD-RAW 0201"],
    "a JPEG XL picture": [b"\xff\x0a\xfa\x1f\x01", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20)],
    "an icon (ICO)": [saved("ICO")],
    "a TGA picture": [saved("TGA")],
    "an EPS or PostScript file": [saved("EPS"), b"\xc5\xd0\xd3\xc6" + bytes(30), b"%!PS-Adobe-3.0"],
    "a PDF document": [b"%PDF-1.7 ..."],
    "a Photoshop document": [b"8BPS\0\1"],
    "an SVG drawing": [
        SVG,
        b"\xef\xbb\xbf" + SVG,
        b"\xef\xbb\xbf  \n" + SVG.upper(),
        b"<?xml version='1.0' encoding='UTF-8'?>\n<!-- made -->\n<!-- by hand -->" + SVG,
        b"<?xml version='1.0'?><!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'x'>" + SVG,
    ],
    "an XML document": [b"<?xml version='1.0'?><VOTABLE/>", b"\xef\xbb\xbf<?xml version='1.0'?><a/>"],
    "an XML document or SVG drawing": ["\ufeff<svg/>".encode("utf-16-le")],
    "a web page": [b"<!DOCTYPE html><html>", b" <HTML><body>"],
    "a zip archive or an office document": [b"PK\x03\x04" + bytes(40)],
    "an HDF5 file": [b"\x89HDF\r\n\x1a\n"],
    "an ASDF file": [b"#ASDF 1.0.0"],
    "an XISF picture of PixInsight": [b"XISF0100" + bytes(20)],
    "a packed file; of these only gzip and bzip2 are unpacked": [b"\xfd7zXZ\0\0", b"\x1f\x9d\x90", b"\x28\xb5\x2f\xfd"],
    "JSON text": [b'{"schema_version": 1}', b"[1, 2]"],
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_formats_are_called_by_their_names(name: str) -> None:
    """What people take for a picture is refused as what it is, not as no image."""
    for content in OTHERS[name]:
        with pytest.raises(ImageRejected) as caught:
            decode(content, LIMITS)
        assert (caught.value.code, caught.value.detail) == (
            "unsupported_format",
            f"This is {name}. Supported are {SUPPORTED}.",
        )


@pytest.mark.parametrize("content", [b"NGC 1300, a barred spiral", b"BM", b"[notes]", b"{braces}", bytes(600), b"<"])
def test_what_nobody_knows_is_called_no_image(content: bytes) -> None:
    """Text, zeros and the like are no image, and no other format either."""
    with pytest.raises(ImageRejected) as caught:
        decode(content, LIMITS)
    assert caught.value.code == "not_an_image"


@pytest.mark.parametrize("known", [known for known in FORMATS if known.decoder], ids=lambda known: known.name)
def test_every_format_is_told_by_its_first_bytes_and_decoded(known: object) -> None:
    """What Pillow writes in a format has its signature, no other's, and is decoded."""
    form = next(entry for entry in FORMATS if entry is known)
    content = saved(form.decoder)
    assert [entry.name for entry in FORMATS if matches(entry.signature, content)] == [form.name]
    assert what_else(content) == ""
    assert media_type("no-suffix", content) == form.media_type
    assert decode(content, LIMITS).pixels.shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.JPEG", b"", "image/jpeg"),
        ("a.fits.gz", b"", "image/fits"),
        ("a.fits.fz", b"", "image/fits"),
        ("a", b"\x89PNG\r\n\x1a\n", "image/png"),
        ("a.dat", b"SIMPLE  =  T", "image/fits"),
        ("a.txt", b"hello", "application/octet-stream"),
    ],
)
def test_media_type_is_told_by_name_and_then_by_content(name: str, content: bytes, expected: str) -> None:
    """The suffix decides; where it says nothing, the first bytes do."""
    assert media_type(name, content) == expected


def test_hostile_markup_is_told_in_no_time() -> None:
    """No signature takes long, whatever it is compared with."""
    for content in (
        b"<!---->" * 80,
        b"<!--" * 130,
        b" " * 600,
        b"<?xml" * 100,
        b"<!doctype svg" * 50,
        b"\xef\xbb\xbf" + b" <" * 300,
    ):
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys\nfrom cosmoformer.images.formats import what_else\nwhat_else(sys.stdin.buffer.read())",
            ],
            input=content,
            timeout=60,
        )
        assert done.returncode == 0


def test_the_page_has_the_same_list() -> None:
    """``web/js/formats.js`` is what the tool writes from the list, so that the page takes what the classifier does."""
    spec = spec_from_file_location("write_formats", ROOT / "tools" / "write_formats.py")
    assert spec is not None and spec.loader is not None
    tool = module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.TARGET.read_text(encoding="utf-8") == tool.script(), "run: python tools/write_formats.py"


def test_the_page_offers_every_suffix() -> None:
    """The page's file chooser shows files of every suffix, and the page names every format."""
    html = (ROOT / "web" / "index.html").read_text(encoding="utf-8")
    accepted = re.search(r'type="file"[^>]* accept="([^"]*)"', html)
    assert accepted is not None
    assert f">{SUPPORTED}</p>" in html
    # Choosers know only what comes behind the last dot of a name.
    assert set(accepted[1].split(",")) == {"image/*", *(f".{suffix.rsplit('.', 1)[1]}" for suffix in MEDIA_TYPES)}


def test_the_documentation_names_every_format() -> None:
    """``docs/bad-input.md`` lists formats and suffixes as they are."""
    text = (ROOT / "docs" / "bad-input.md").read_text(encoding="utf-8")
    for known in FORMATS:
        assert f"| {known.name} | {', '.join(f'`{suffix}`' for suffix in known.suffixes)} |" in text
