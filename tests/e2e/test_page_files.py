"""What the page does with a file before it is sent: telling its type, its fingerprint, a small picture of it."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image
from playwright.sync_api import Browser, Page, Route

from cosmoformer.local.page import PageServer, security_headers, web_folder
from cosmoformer.storage.tables import columns
from tests.cosmoformer.sample_results import classified_result
from tests.e2e.bare_page import bare_page
from tests.e2e.galaxies import SAMPLES

MOST_BYTES = 200_000
LENGTHS = (1, 55, 56, 63, 64, 65, 120, 2**18 - 9, 2**18 - 8, 2**18, 600_001)  # around blocks and pieces of SHA-256


def fits_of(kind: str) -> bytes:
    """A FITS image with a bright corner at the start of its first row, which is the lowest; behind an empty first HDU."""
    values = np.full((90, 120), 100)
    values[:10, :10] = 120
    image = fits.ImageHDU(values.astype(kind))
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(stream)
    return stream.getvalue()


FITS_IMAGES = {
    **{f"{kind}.fits": fits_of(kind) for kind in ("uint8", "int16", "uint16", "int32", "float32", "float64")},
    "packed.fits.gz": gzip.compress(fits_of("float32")),
}


@pytest.fixture(scope="module")
def page_url() -> Iterator[str]:
    """Where the page is served."""
    server = PageServer(0, web_folder(), b"{}", security_headers("http://127.0.0.1:1", "http://127.0.0.1:2"))
    server.start("page")
    yield f"http://127.0.0.1:{server.port}"
    server.stop(1)


@pytest.fixture(scope="module")
def bare(browser: Browser, page_url: str) -> Iterator[Page]:
    """A document with the page's modules and security policy."""
    with bare_page(browser, page_url) as page:
        yield page


@pytest.fixture
def insecure(browser: Browser, page_url: str) -> Iterator[Page]:
    """The same, as if another machine served it over plain HTTP."""
    with bare_page(browser, page_url, "http://cosmoformer.test") as page:
        yield page


@pytest.fixture
def fresh(browser: Browser, page_url: str) -> Iterator[Page]:
    """The same, of one test."""
    with bare_page(browser, page_url) as page:
        yield page


def saved(form: str) -> bytes:
    stream = io.BytesIO()
    with Image.open(SAMPLES[0]) as image:
        image.resize((64, 64)).save(stream, form)
    return stream.getvalue()


FITS = b"SIMPLE  =                    T".ljust(2880)
EXAMINED = {
    "a.jpg": (saved("JPEG"), "image/jpeg"),
    "a.png": (saved("PNG"), "image/png"),
    "a.webp": (saved("WEBP"), "image/webp"),
    "a.gif": (saved("GIF"), "image/gif"),
    "a.bmp": (saved("BMP"), "image/bmp"),
    "a.tif": (saved("TIFF"), "image/tiff"),
    "a.jp2": (saved("JPEG2000"), "image/jp2"),
    "a.j2k": (b"\xff\x4f\xff\x51".ljust(99), "image/jp2"),
    "a.ppm": (saved("PPM"), "image/x-portable-anymap"),
    "a.fits.bz2": (bz2.compress(FITS), "application/octet-stream"),
    "a.fits": (FITS, "image/fits"),
    "a.fits.gz": (gzip.compress(FITS * 100), "application/octet-stream"),
    "no-name": (saved("JPEG"), "image/jpeg"),
    "text.gz": (gzip.compress(b"text"), "a compressed file without a FITS image"),
    "torn.gz": (b"\x1f\x8b\x08torn", "a compressed file without a FITS image"),
    "pdf.png": (b"%PDF-1.4", "a PDF document"),
    "zip.jpg": (b"PK\x03\x04", "a zip archive"),
    "heic.jpg": (b"\0\0\0\x18ftypheic\0\0\0\0", "This is a HEIC picture"),
    "avif.jpg": (b"\0\0\0\x2cftypavif\0\0\0\0", "This is an AVIF picture"),
    "jxl.jpg": (b"\xff\x0a\xfa\x1f", "This is a JPEG XL picture"),
    "tga.jpg": (saved("TGA"), "This is a TGA picture"),
    "ico.jpg": (saved("ICO"), "This is an icon (ICO)"),
    "eps.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0", "This is an EPS or PostScript file"),
    "svg.png": (b"\xef\xbb\xbf <SVG onload='alert(1)'>", "This is an SVG drawing"),
    "xml.png": (b"<?xml version='1.0'?><!-- a --><svg>", "This is an SVG drawing"),
    "noise.jpg": (b"\xff\xd8 no JPEG", "not a picture"),
    "empty.jpg": (b"", "The file is empty"),
    "large.jpg": (b"\xff\xd8\xff".ljust(MOST_BYTES + 1), "larger than 195 KiB"),
}


def test_examine(bare: Page, tmp_path: Path) -> None:
    """Every format of the classifier is told by its first bytes, and what is none of them by what it is."""
    for name, (content, _) in EXAMINED.items():
        (tmp_path / name).write_bytes(content)
    bare.set_input_files("input", [tmp_path / name for name in EXAMINED])
    found: list[dict[str, Any]] = bare.evaluate(
        """async (limit) => {
            const {examine} = await import("/js/files.js");
            const files = [...document.querySelector("input").files];
            return Promise.all(files.map((file) => examine(file, limit * (file.name === "large.jpg" ? 1 : 9))));
        }""",
        MOST_BYTES,
    )
    for (name, (_, expected)), said in zip(EXAMINED.items(), found, strict=True):
        if "/" in expected:
            assert said == {"type": expected, "reason": ""}, name
        else:
            assert expected in said["reason"] and said["type"] == "", name


ENTRIES = """async () => {
    const {fromEntries} = await import("/js/files.js");
    const refuse = (_, reject) => reject(new DOMException("It is closed.", "NotReadableError"));
    const entry = (fullPath, file) => ({isFile: true, fullPath, file});
    const file = (path) => entry(path, (resolve) => resolve(new File(["x"], path.split("/").pop())));
    const folder = (fullPath, readEntries) => ({isFile: false, fullPath, createReader: () => ({readEntries})});
    const open = (path, ...children) => {
        const portions = [children, []];
        return folder(path, (resolve) => resolve(portions.shift()));
    };
    const deep = open("/n/d", file("/n/d/e.J2K"), file("/n/d/f.csv"));
    const tree = open("/n", entry("/n/a.jpg", refuse), file("/n/b.fits.fz"), folder("/n/c", refuse), deep);
    const {found, skipped, unreadable} = await fromEntries([tree, file("/g.pgm")], 99);
    return [found.map(({name}) => name), skipped, unreadable];
}"""


def test_one_bad_file_never_loses_the_drop(bare: Page) -> None:
    """A file that is gone and a folder that is closed are named, and all that can be read is taken."""
    assert bare.evaluate(ENTRIES) == [["g.pgm", "n/b.fits.fz", "n/d/e.J2K"], ["n/d/f.csv"], ["n/a.jpg", "n/c"]]


FINGERPRINTS = """async () => {
    const {fingerprint} = await import("/js/digest.js");
    return Promise.all([...document.querySelector("input").files].map(fingerprint));
}"""


def test_fingerprint(bare: Page) -> None:
    """A fingerprint is the SHA-256 of the content."""
    bare.set_input_files("input", SAMPLES)
    assert bare.evaluate("isSecureContext")
    assert bare.evaluate(FINGERPRINTS) == [hashlib.sha256(sample.read_bytes()).hexdigest() for sample in SAMPLES]


def test_fingerprint_over_plain_http(insecure: Page, tmp_path: Path) -> None:
    """So it is on a page that is not secure, to which the browser offers no digests, for files of any length."""
    content = {f"{size}.fits": bytes(value % 251 for value in range(size)) for size in LENGTHS}
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    insecure.set_input_files("input", [tmp_path / name for name in content])
    assert not insecure.evaluate("isSecureContext")
    assert insecure.evaluate(FINGERPRINTS) == [hashlib.sha256(data).hexdigest() for data in content.values()]


def test_names_that_look_alike_have_columns_of_their_own(bare: Page) -> None:
    """The page's tables have the same headings as those of the command line, also where two classes would have one."""
    result = classified_result("m51.png", probabilities={"edge on": 0.5, "edge-on": 0.3, "Edge_On": 0.2})
    headings = bare.evaluate(
        """async (result) => {
            const {columnsFor} = await import("/js/columns.js");
            return columnsFor([{name: "m51.png", result}]).map((column) => column.name);
        }""",
        result,
    )
    described = [column.name for column in columns([result])]
    assert [name for name in headings if name in described] == described and "p_edge_on_3" in described
    assert len(set(headings)) == len(headings)


def test_thumbnail(bare: Page, tmp_path: Path) -> None:
    """A worker draws small pictures, black where the picture is transparent; what cannot be shown gets none."""
    with Image.new("RGBA", (1000, 500)) as image:
        image.save(tmp_path / "wide.png")
    (tmp_path / "broken.jpg").write_bytes(SAMPLES[0].read_bytes()[:300])
    (tmp_path / "a.fits").write_bytes(FITS)
    bare.set_input_files("input", [tmp_path / name for name in ("wide.png", "broken.jpg", "a.fits")])
    found = bare.evaluate(
        """async () => {
            const {thumbnail} = await import("/js/thumbnails.js");
            const [wide, ...others] = await Promise.all([...document.querySelector("input").files].map(thumbnail));
            const picture = new Image();
            picture.src = wide;
            await picture.decode();
            const context = new OffscreenCanvas(1, 1).getContext("2d");
            context.drawImage(picture, 0, 0);
            return [picture.naturalWidth, picture.naturalHeight, [...context.getImageData(0, 0, 1, 1).data], others];
        }"""
    )
    assert found == [640, 320, [0, 0, 0, 255], [None, None]]
    assert len(bare.workers) == 1


def test_fits_have_pictures(bare: Page, tmp_path: Path) -> None:
    """The browser draws FITS images of every number format, also packed ones, as the classifier sees them: lowest row last."""
    for name, content in FITS_IMAGES.items():
        (tmp_path / name).write_bytes(content)
    bare.set_input_files("input", [tmp_path / name for name in FITS_IMAGES])
    found = bare.evaluate(
        """async () => {
            const {thumbnail} = await import("/js/thumbnails.js");
            const files = [...document.querySelector("input").files];
            return Promise.all(files.map(async (file) => {
                const picture = new Image();
                picture.src = await thumbnail(file);
                await picture.decode();
                const context = new OffscreenCanvas(120, 90).getContext("2d");
                context.drawImage(picture, 0, 0);
                const at = (x, y) => context.getImageData(x, y, 1, 1).data[0];
                return [picture.naturalWidth, picture.naturalHeight, at(4, 86) > 200, at(4, 4) < 30, at(100, 40) < 30];
            }));
        }"""
    )
    assert dict(zip(FITS_IMAGES, found, strict=True)) == {name: [120, 90, True, True, True] for name in FITS_IMAGES}


def header(*cards: str) -> bytes:
    return b"".join(card.encode().ljust(80) for card in (*cards, "END")).ljust(2880)


def image_header(**values: int) -> bytes:
    start = "SIMPLE  =                    T"
    cards = {"BITPIX": 8, "NAXIS": 2, "NAXIS1": 2, "NAXIS2": 2} | values
    return header(start, *(f"{name:8}= {value:20}" for name, value in cards.items()))


MALICIOUS = {
    "naxis1.fits": image_header(NAXIS=1, NAXIS1=-2880) * 2,
    "pcount.fits": image_header(NAXIS=1, NAXIS1=0, PCOUNT=-2880) * 2,
    "naxis.fits": image_header(NAXIS=4_000_000_000),
    "half.fits": image_header(NAXIS1=1, NAXIS2=-1, PCOUNT=1),
    "wide.fits": image_header(NAXIS1=2_000_000_000),
    "else.fits": b"TELESCOP=".ljust(80) + image_header(NAXIS1=1).ljust(9000),
    "bomb.fits.gz": gzip.compress(image_header(NAXIS1=10, NAXIS2=10) + bytes(66 * 2**20)),
}


def test_malicious_fits_have_none(bare: Page, tmp_path: Path) -> None:
    """Headers that lead nowhere, sizes that no memory holds and files that unpack to more than 64 MiB cost next to nothing."""
    for name, content in {**MALICIOUS, "good.fits": FITS_IMAGES["int16.fits"]}.items():
        (tmp_path / name).write_bytes(content)
    bare.set_input_files("input", [tmp_path / name for name in (*MALICIOUS, "good.fits")])
    found = bare.evaluate(
        """async () => {
            const {thumbnail} = await import("/js/thumbnails.js");
            const files = [...document.querySelector("input").files];
            const within = 5000;
            return Promise.all(files.map(async (file) => Boolean(await thumbnail(file, {within}))));
        }"""
    )
    assert found == [False] * len(MALICIOUS) + [True]
    assert len(bare.workers) == 1


def test_a_worker_that_hangs_is_replaced(fresh: Page) -> None:
    """A picture that takes too long gets none, and the next ones are drawn."""
    hanging = "addEventListener('message', () => { for (;;); });"
    fresh.route("**/thumbnailer.js", lambda route: route.fulfill(body=hanging, content_type="text/javascript"), times=1)
    fresh.set_input_files("input", SAMPLES[:1])
    draw = """async (within) => {
        const {thumbnail} = await import("/js/thumbnails.js");
        return Boolean(await thumbnail(document.querySelector("input").files[0], {within}));
    }"""
    assert fresh.evaluate(draw, 500) is False
    assert fresh.evaluate(draw, 9000) is True
    deadline = time.monotonic() + 20
    while len(fresh.workers) > 1 and time.monotonic() < deadline:
        fresh.wait_for_timeout(100)
    assert len(fresh.workers) == 1


def test_archive_names_and_losses(bare: Page) -> None:
    """Names that are taken are changed, images of any size are in it, and what could not be fetched is told."""
    found = bare.evaluate(
        """async () => {
            const {zipped} = await import("/js/zip.js");
            const {signal} = new AbortController();
            const file = (name, text) => ({name, file: new File([text], name), size: text.length});
            const stored = (name, imageUrl) => ({name, imageUrl, size: 13 * 2 ** 20});
            const lost = stored("lost.webp", "/nothing.webp");
            const items = [file("n/a.jpg", "one"), file("n/a.jpg", "two"), stored("n/a.jpg", "/shapes/spiral.webp"), lost];
            const {blob, words} = await zipped(items, signal);
            const bytes = Array.from(new Uint8Array(await blob.arrayBuffer()));
            const whole = await zipped(items.slice(0, 2), signal);
            return [bytes, words, whole.words, await zipped([lost], signal).catch(({message}) => message)];
        }"""
    )
    with zipfile.ZipFile(io.BytesIO(bytes(found[0]))) as archive:
        assert archive.testzip() is None
        spiral = (web_folder() / "shapes/spiral.webp").read_bytes()
        content = {name: archive.read(name) for name in archive.namelist()}
    assert content == {"n/a.jpg": b"one", "n/a~2.jpg": b"two", "n/a~3.jpg": spiral}
    assert found[1:3] == ["1 of 4 images could not be read and are not in the archive.", ""]
    assert "None of these images could be read" in found[3]


def test_contact_sheet_tells_what_it_leaves_out(bare: Page) -> None:
    """A sheet of the first 600 galaxies says that there are more."""
    found = bare.evaluate(
        """async () => {
            const {sheetOf} = await import("/js/sheet.js");
            const {signal} = new AbortController();
            const items = Array.from({length: 601}, (_, place) => ({name: `${place}.jpg`, state: "waiting"}));
            const [more, all] = [await sheetOf(items, signal), await sheetOf(items.slice(0, 600), signal)];
            return [more.words, all.words, more.blob.type];
        }"""
    )
    assert found == ["The sheet holds the first 600 of 601 galaxies.", "", "image/jpeg"]


def test_a_card_that_comes_back_is_drawn_once(bare: Page) -> None:
    """A card that goes out of sight and comes back while its picture is drawn gets one picture; later ones get theirs."""
    bare.set_input_files("input", SAMPLES[:1])
    found = bare.evaluate(
        """async () => {
            const {Pictures} = await import("/js/pictures.js");
            const create = URL.createObjectURL;
            let [made, drawn] = [0, 0];
            URL.createObjectURL = (blob) => { made += 1; return create.call(URL, blob); };
            const done = Promise.withResolvers();
            const pictures = new Pictures(() => { drawn += 1; done.resolve(); });
            const item = {file: document.querySelector("input").files[0]};
            const look = () => {
                const element = document.createElement("div");
                item.card = {element};
                pictures.drawWhenSeen(item);
                pictures.see([{isIntersecting: true, target: element}]);
            };
            look();
            pictures.forget(item);
            item.card = null;
            look();
            await done.promise;
            await new Promise((resolve) => setTimeout(resolve, 500));
            const first = [made, drawn];
            look();
            await new Promise((resolve) => setTimeout(resolve, 500));
            URL.createObjectURL = create;
            return [first, [made, drawn]];
        }"""
    )
    assert found == [[1, 1], [2, 2]]


def test_a_late_picture_does_not_replace_the_next(fresh: Page, tmp_path: Path) -> None:
    """In the large view, a FITS image that is drawn after the next one was opened leaves that one alone."""

    def slow(route: Route) -> None:
        time.sleep(1)
        route.continue_()

    fresh.route("**/thumbnailer.js", slow)
    (tmp_path / "a.fits").write_bytes(FITS_IMAGES["int16.fits"])
    (tmp_path / "b.jpg").write_bytes(saved("JPEG"))
    fresh.set_input_files("input", [tmp_path / "a.fits", tmp_path / "b.jpg"])
    found = fresh.evaluate(
        """async () => {
            const frame = Object.assign(document.createElement("div"), {id: "large-picture"});
            document.body.append(frame, Object.assign(document.createElement("p"), {id: "large-alike-said"}));
            const {LargeView} = await import("/js/large.js");
            const view = Object.create(LargeView.prototype);
            Object.assign(view, {loading: new AbortController(), heatMap: {begin() {}}});
            const files = [...document.querySelector("input").files];
            const [first, second] = files.map((file) => ({file, name: file.name, state: "waiting"}));
            view.item = first;
            const late = view.showPicture();
            await new Promise((resolve) => setTimeout(resolve, 300));
            view.item = second;
            await view.showPicture();
            const shown = view.url;
            await late;
            return [view.url === shown, frame.querySelector("img").alt];
        }"""
    )
    assert found == [True, "The image b.jpg"]
