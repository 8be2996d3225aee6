"""Decoding: what becomes a square uint8 RGB picture, and what is refused in which words."""

from __future__ import annotations

import gzip
import io
import struct
import subprocess
import sys
import zlib
from contextlib import suppress

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray
from PIL import Image

from cosmoformer.errors import ImageRejected
from cosmoformer.images.decoding import decode
from cosmoformer.images.picture import Limits, Picture
from cosmoformer.images.stretch import stretch
from cosmoformer.render import SAMPLES, render

LIMITS = Limits(image_bytes=32 << 20, image_pixels=32 << 20)


@pytest.fixture(scope="module")
def galaxy() -> Image.Image:
    return Image.fromarray(render(SAMPLES["two_armed_spiral"], size=96, seed=1))


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def big_endian_tiff(values: NDArray[np.uint16]) -> bytes:
    """An uncompressed TIFF as ImageJ writes it by default."""
    height, width = values.shape
    tags = {256: width, 257: height, 258: 16, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: values.nbytes}
    entries = [struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags.items()]
    directory = struct.pack(">H", len(entries)) + b"".join(entries) + bytes(4)
    return b"MM\0*" + struct.pack(">I", 8 + values.nbytes) + values.astype(">u2").tobytes() + directory


def pixels_of(content: bytes) -> NDArray[np.uint8]:
    return decode(content, LIMITS).pixels


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_keep_every_pixel(galaxy: Image.Image, format: str) -> None:
    """A lossless file decodes to exactly the picture that was saved."""
    picture = decode(encoded(galaxy, format), LIMITS)
    assert np.array_equal(picture.pixels, np.asarray(galaxy))
    assert (picture.width, picture.height, picture.conversions) == (96, 96, ())


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "GIF", "JPEG2000"])
def test_lossy_formats_stay_close(galaxy: Image.Image, format: str) -> None:
    """A lossy file decodes to nearly the picture that was saved."""
    difference = np.abs(pixels_of(encoded(galaxy, format)).astype(int) - np.asarray(galaxy)).mean()
    assert difference < 12


def test_cmyk_becomes_rgb(galaxy: Image.Image) -> None:
    """A CMYK JPEG is converted to RGB and says so."""
    picture = decode(encoded(galaxy.convert("CMYK"), "JPEG", quality=95), LIMITS)
    assert picture.conversions == ("cmyk_to_rgb",)
    assert np.abs(picture.pixels.astype(int) - np.asarray(galaxy)).mean() < 6


def test_grey_is_repeated_in_all_channels(galaxy: Image.Image) -> None:
    """A grey picture becomes three equal channels."""
    grey = galaxy.convert("L")
    picture = decode(encoded(grey), LIMITS)
    assert all(np.array_equal(picture.pixels[..., channel], np.asarray(grey)) for channel in range(3))


def test_sixteen_bits_are_scaled_not_clipped(galaxy: Image.Image) -> None:
    """A 16-bit picture gives the same pixels as the 8-bit picture it was widened from."""
    grey = np.asarray(galaxy.convert("L"))
    wide = Image.fromarray(grey.astype(np.uint16) * 257)
    for content in (encoded(wide), encoded(wide, "TIFF"), big_endian_tiff(np.asarray(wide))):
        picture = decode(content, LIMITS)
        assert np.array_equal(picture.pixels[..., 0], grey)
        assert "scaled_to_8_bit" in picture.conversions


def test_faint_sixteen_bits_stay_faint_in_either_byte_order() -> None:
    """16 bits are scaled by their full range, not by what a picture uses of it, in either byte order."""
    faint = np.zeros((64, 64), np.uint16)
    faint[16:48, 16:48] = 40 * 257
    for content in (encoded(Image.fromarray(faint), "TIFF"), big_endian_tiff(faint)):
        assert pixels_of(content).max() == 40


def test_floating_point_is_scaled_by_its_own_range(galaxy: Image.Image) -> None:
    """A floating-point TIFF spans 0 to 255 after decoding, and NaN does not spread."""
    values = np.asarray(galaxy.convert("L")).astype(np.float32) * 1e-3
    values[0, 0] = np.nan
    decoded = pixels_of(encoded(Image.fromarray(values), "TIFF"))
    assert decoded.min() == 0
    assert decoded.max() == 255


def test_palette_keeps_its_colours(galaxy: Image.Image) -> None:
    """A palette picture decodes to the colours of its palette."""
    palette = galaxy.convert("P", palette=Image.Palette.ADAPTIVE)
    assert np.array_equal(pixels_of(encoded(palette)), np.asarray(palette.convert("RGB")))


def test_transparency_shows_black(galaxy: Image.Image) -> None:
    """Transparent pixels become black, half-transparent ones half as bright, whatever colour they hide."""
    layered = galaxy.convert("RGBA")
    alpha = np.full((96, 96), 255, np.uint8)
    alpha[:48], alpha[48:72] = 0, 128
    layered.putalpha(Image.fromarray(alpha))
    picture = decode(encoded(layered), LIMITS)
    assert picture.pixels[:48].max() == 0
    half = np.asarray(galaxy)[48:72].astype(float) * 128 / 255
    assert np.abs(picture.pixels[48:72] - half).max() <= 1.5
    assert np.array_equal(picture.pixels[72:], np.asarray(galaxy)[72:])
    assert "transparency_over_black" in picture.conversions


def test_exif_rotation_is_applied(galaxy: Image.Image) -> None:
    """A picture stored on its side, with an EXIF note, is turned upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = galaxy.transpose(Image.Transpose.ROTATE_90)
    picture = decode(encoded(stored, "PNG", exif=exif), LIMITS)
    assert np.array_equal(picture.pixels, np.asarray(galaxy))
    assert "exif_rotated" in picture.conversions


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "garbage", [b"", b"\xff" * 40, b"no TIFF", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\0\x09ab"]
)
def test_garbage_in_the_place_of_exif_does_no_harm(galaxy: Image.Image, format: str, garbage: bytes) -> None:
    """A sound picture whose EXIF block is garbage is classified as it is stored."""
    content = encoded(galaxy, format, exif=b"Exif\0\0" + garbage)
    assert np.array_equal(pixels_of(content), pixels_of(encoded(galaxy, format)))


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
@pytest.mark.parametrize(("orientation", "turn"), [(3, Image.Transpose.ROTATE_180), (6, Image.Transpose.ROTATE_90)])
def test_tiff_rotation_is_applied_and_noted(
    galaxy: Image.Image, compression: str, orientation: int, turn: Image.Transpose
) -> None:
    """A TIFF stored on its side is turned upright and says so; its width and height are those in the file."""
    upright = galaxy.crop((0, 0, 96, 64))
    stored = upright.transpose(turn)
    content = encoded(stored, "TIFF", compression=compression, tiffinfo={0x0112: orientation})
    picture = decode(content, LIMITS)
    assert (picture.width, picture.height) == stored.size
    assert picture.conversions == ("exif_rotated", "padded_to_square")
    assert np.array_equal(picture.pixels[16:80], np.asarray(upright))


@pytest.mark.parametrize("box", [(0, 20, 96, 70), (30, 0, 60, 96)])
def test_other_shapes_are_padded_never_squeezed(galaxy: Image.Image, box: tuple[int, int, int, int]) -> None:
    """A wide or tall picture is centred on a black square, pixel for pixel."""
    picture = decode(encoded(galaxy.crop(box)), LIMITS)
    assert picture.pixels.shape == (96, 96, 3)
    left, top = (96 - (box[2] - box[0])) // 2, (96 - (box[3] - box[1])) // 2
    inside = picture.pixels[top : top + box[3] - box[1], left : left + box[2] - box[0]]
    assert np.array_equal(inside, np.asarray(galaxy.crop(box)))
    assert picture.pixels.sum() == inside.sum()


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animations_give_their_first_frame(galaxy: Image.Image, format: str) -> None:
    """Of an animation or a file with several pages, the first frame is classified."""
    other = galaxy.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture = decode(encoded(galaxy, format, save_all=True, append_images=[other]), LIMITS)
    assert "first_frame" in picture.conversions
    assert np.abs(picture.pixels.astype(int) - np.asarray(galaxy)).mean() < 12


def test_large_pictures_are_reduced(galaxy: Image.Image) -> None:
    """A picture far larger than the model looks at is reduced, and its true size stays in the result."""
    picture = decode(encoded(galaxy.resize((3000, 3000)), "JPEG"), LIMITS)
    assert picture.pixels.shape[0] <= 2048
    assert (picture.width, picture.height) == (3000, 3000)
    assert "reduced" in picture.conversions


@pytest.mark.parametrize("mode", ["P", "1", "I;16", "RGB", "LA"])
def test_long_thin_pictures_stay_small_in_memory(mode: str) -> None:
    """A strip of a million pixels is reduced before it is padded: its square would have 10^10 pixels."""
    wide = np.zeros((12, 100_000), np.uint16)
    wide[:, ::4096] = 60_000
    strip = Image.fromarray(wide) if mode == "I;16" else Image.fromarray((wide >> 8).astype(np.uint8)).convert(mode)
    picture = decode(encoded(strip), LIMITS)
    assert max(picture.pixels.shape) <= 2048


def fits_file(values: NDArray[np.generic], **options: object) -> bytes:
    stream = io.BytesIO()
    fits.PrimaryHDU(values, **options).writeto(stream)
    return stream.getvalue()


def compressed_fits(values: NDArray[np.generic], tiles: tuple[int, ...], algorithm: str = "RICE_1") -> bytes:
    stream = io.BytesIO()
    image = fits.CompImageHDU(values, compression_type=algorithm, tile_shape=tiles, quantize_level=4)
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(stream)
    return stream.getvalue()


def raw_fits(stored: NDArray[np.int16], keywords: fits.Header, tiles: tuple[int, ...] | None = None) -> bytes:
    """A FITS file of these stored values, with keywords that say what they mean."""
    plain = compressed_fits(stored, tiles) if tiles else fits_file(stored)
    place = plain.rindex(b"END" + b" " * 77)  # of the last header
    start = plain.rindex(b"XTENSION=" if tiles else b"SIMPLE  =")
    header = plain[start:place] + b"".join(card.image.encode() for card in keywords.cards) + b"END" + b" " * 77
    data = start + -(-(place + 80 - start) // 2880) * 2880
    padding = b" " * (-len(header) % 2880)
    return plain[:start] + header + padding + plain[data:]


def test_fits_images_are_stretched(galaxy: Image.Image) -> None:
    """A FITS image of counts over a sky level becomes a picture with a dark sky and a bright centre."""
    counts = np.asarray(galaxy.convert("L")).astype(np.float32) ** 2 + 1000
    counts[3, 3] = np.nan
    picture = decode(fits_file(counts), LIMITS)
    assert (picture.format, picture.conversions) == ("FITS", ("asinh_stretch",))
    assert np.median(picture.pixels) < 10
    assert picture.pixels[40:56, 40:56].mean() > 100


@pytest.mark.parametrize("shape", [(2500, 500), (3, 2500, 500), (2500, 500, 3), (1, 2500, 500)])
def test_large_fits_images_are_averaged(shape: tuple[int, ...]) -> None:
    """A large FITS image is reduced by the mean of its finite values, whatever the order of its axes."""
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) % 997
    values[..., ::5] = np.nan
    picture = decode(fits_file(values), LIMITS)
    assert picture.conversions == ("reduced", "asinh_stretch", "padded_to_square")
    assert (picture.width, picture.height) == (500, 2500)
    planes = np.moveaxis(values, 0, -1) if shape[0] == 3 else np.atleast_3d(values.squeeze())
    blocks = np.nanmean(planes.reshape(1250, 2, 250, 2, -1).astype(np.float64), axis=(1, 3)).astype(np.float32)
    assert np.array_equal(picture.pixels[:, 500:-500], np.broadcast_to(stretch(blocks)[::-1], (1250, 250, 3)))


def test_fits_values_are_scaled_and_blanks_left_out(galaxy: Image.Image) -> None:
    """BSCALE, BZERO and BLANK of an integer FITS image count, compressed or not: it looks as in floating point."""
    counts = np.asarray(galaxy.convert("L")).astype(np.int16)
    counts[:20] = -99
    physical = np.where(counts == -99, np.nan, counts * -2.5 + 7).astype(np.float32)
    keywords = fits.Header([("BSCALE", -2.5), ("BZERO", 7.0), ("BLANK", -99)])
    expected = pixels_of(fits_file(physical))
    for content in (raw_fits(counts, keywords), raw_fits(counts, keywords, tiles=(8, 96))):
        assert np.array_equal(pixels_of(content), expected)


@pytest.mark.parametrize("algorithm", ["RICE_1", "GZIP_1", "GZIP_2", "PLIO_1", "HCOMPRESS_1"])
@pytest.mark.parametrize("tiles", [(1, 96), (32, 96), (40, 50), (96, 96)])
def test_tile_compressed_fits_is_unpacked(galaxy: Image.Image, algorithm: str, tiles: tuple[int, int]) -> None:
    """A tile-compressed FITS image, as fpack writes them, gives the pixels of the plain one."""
    if algorithm == "HCOMPRESS_1" and tiles[0] == 1:
        pytest.skip("H-compress needs tiles of two dimensions")
    counts = np.asarray(galaxy.convert("L")).astype(np.int16)
    assert np.array_equal(pixels_of(compressed_fits(counts, tiles, algorithm)), pixels_of(fits_file(counts)))


def test_fits_cubes_keep_their_colours(galaxy: Image.Image) -> None:
    """A FITS cube of three planes is red, green and blue, plane first or last."""
    planes = np.asarray(galaxy).astype(np.float32)
    first, last = (decode(fits_file(cube), LIMITS).pixels for cube in (planes.transpose(2, 0, 1), planes))
    assert np.array_equal(first, last)
    assert first[..., 0].mean() != pytest.approx(first[..., 2].mean(), rel=0.05)


def test_gzipped_fits_is_unpacked(galaxy: Image.Image) -> None:
    """A .fits.gz is the same as the .fits inside."""
    content = fits_file(np.asarray(galaxy.convert("L")).astype(np.float32))
    assert np.array_equal(pixels_of(gzip.compress(content)), pixels_of(content))


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds a few bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def fits_header_only(side: int) -> bytes:
    """A FITS file whose header promises pixels that are not there."""
    header = fits.Header([("SIMPLE", True), ("BITPIX", -64), ("NAXIS", 2), ("NAXIS1", side), ("NAXIS2", side)])
    return bytes(header.tostring(), "ascii")


def fits_tile_bomb() -> bytes:
    """A FITS file of 64 x 64 pixels whose one tile unpacks to 64 MiB."""
    stored = gzip.compress(bytes(64 << 20))
    columns = [fits.Column("COMPRESSED_DATA", "1PB()", array=np.array([np.frombuffer(stored, np.uint8)], object))]
    table = fits.BinTableHDU.from_columns(columns)
    zipped = {"ZIMAGE": True, "ZCMPTYPE": "GZIP_1", "ZBITPIX": 16, "ZNAXIS": 2}
    table.header.update(zipped | {"ZNAXIS1": 64, "ZNAXIS2": 64, "ZTILE1": 64, "ZTILE2": 64})
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(stream)
    return stream.getvalue()


REJECTED = {
    "empty": (b"", "empty"),
    "text": (b"NGC 1300, a barred spiral", "not_an_image"),
    "pdf": (b"%PDF-1.7 ...", "unsupported_format"),
    "svg": (b"  <svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_format"),
    "zip": (b"PK\x03\x04" + bytes(40), "unsupported_format"),
    "gzip of text": (gzip.compress(b"hello"), "unsupported_format"),
    "broken gzip": (gzip.compress(b"SIMPLE  =" + bytes(5000))[:40], "damaged"),
    "gzip bomb": (gzip.compress(b"SIMPLE  =" + bytes(40 << 20)), "too_large"),
    "png bomb": (bomb(60_000, 60_000), "too_many_pixels"),
    "fits bomb": (fits_header_only(100_000), "too_many_pixels"),
    "fits without its data": (fits_header_only(5000), "damaged"),
    "fits tile bomb": (fits_tile_bomb(), "damaged"),
    "fits of tiny tiles": (compressed_fits(np.eye(400, dtype=np.int16), (1, 1)), "too_many_pixels"),
    "cut off tiles": (compressed_fits(np.eye(900, dtype=np.int16), (1, 900))[:-9000], "damaged"),
    "thin": (encoded(Image.effect_noise((400, 3), 90)), "no_picture"),
    "black": (encoded(Image.new("RGB", (64, 64))), "no_picture"),
    "grey and wide": (encoded(Image.new("RGB", (64, 40), "gray")), "no_picture"),
    "spectrum": (fits_file(np.arange(500, dtype=np.float32)), "no_picture"),
    "fits of NaN": (fits_file(np.full((40, 40), np.nan, np.float32)), "no_picture"),
    "broken fits": (fits_file(np.ones((64, 64), np.float32))[:3000], "damaged"),
}


@pytest.mark.parametrize("name", REJECTED)
def test_what_is_no_picture_is_rejected_with_a_reason(name: str) -> None:
    """A file that cannot be classified is refused under the right code, in a sentence for people."""
    content, code = REJECTED[name]
    with pytest.raises(ImageRejected) as caught:
        decode(content, LIMITS)
    assert caught.value.code == code
    assert caught.value.detail.endswith(".")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "GIF"])
@pytest.mark.parametrize("share", [0.15, 0.6])
def test_cut_off_files_are_rejected(galaxy: Image.Image, format: str, share: float) -> None:
    """A file that ends too early is refused as damaged, not classified by half."""
    content = encoded(galaxy, format)
    with pytest.raises(ImageRejected) as caught:
        decode(content[: int(len(content) * share)], LIMITS)
    assert caught.value.code in ("damaged", "not_an_image")


def test_a_file_over_the_limit_is_rejected(galaxy: Image.Image) -> None:
    """A file of more bytes than allowed is refused with both numbers."""
    content = encoded(galaxy)
    with pytest.raises(ImageRejected, match=f"{len(content):,}") as caught:
        decode(content, Limits(image_bytes=len(content) - 1, image_pixels=1 << 20))
    assert caught.value.code == "too_large"


def test_random_damage_never_breaks_the_decoder(galaxy: Image.Image) -> None:
    """Whatever bytes are flipped, decoding gives a picture or a rejection, nothing else."""
    generator = np.random.default_rng(0)
    for format in ("JPEG", "PNG", "TIFF", "GIF", "WEBP", "BMP"):
        original = np.frombuffer(encoded(galaxy, format), np.uint8)
        for _ in range(40):
            content = original.copy()
            content[generator.integers(0, len(content), 12)] = generator.integers(0, 256, 12)
            with suppress(ImageRejected):
                assert isinstance(decode(content.tobytes(), LIMITS), Picture)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_damaged_animations_never_break_the_decoder(galaxy: Image.Image, format: str) -> None:
    """An animation that is cut off or has flipped bytes gives a picture or a rejection, nothing else."""
    generator = np.random.default_rng(1)
    others = [
        galaxy.resize((48, 48)).transpose(turn) for turn in (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180)
    ]
    original = encoded(galaxy.resize((48, 48)), format, save_all=True, append_images=others)
    damaged = [original[: int(length)] for length in np.linspace(1, len(original) - 1, 150)]
    for _ in range(60):
        flipped = np.frombuffer(original, np.uint8).copy()
        flipped[generator.integers(0, len(flipped), 6)] = generator.integers(0, 256, 6)
        damaged.append(flipped.tobytes())
    for content in damaged:
        with suppress(ImageRejected):
            assert isinstance(decode(content, LIMITS), Picture)


def test_an_animation_cut_off_behind_its_first_frame_is_damaged(galaxy: Image.Image) -> None:
    """A GIF that ends within the description of its second frame is damaged, whatever the decoder makes of it."""
    other = galaxy.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    content = encoded(galaxy, "GIF", save_all=True, append_images=[other], duration=100)
    second = content.rindex(b"\x21\xf9\x04")
    with pytest.raises(ImageRejected) as caught:
        decode(content[: second + 5], LIMITS)
    assert caught.value.code == "damaged"


PEAK = """
import sys
from cosmoformer.images.decoding import decode
from cosmoformer.images.picture import Limits
def peak():  # of this process alone: the figure of getrusage starts at what the parent had
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024
content = sys.stdin.buffer.read()
before = peak()
picture = decode(content, Limits(32 << 20, 32 << 20))
print(picture.pixels.shape[0], peak() - before)
"""


def largest(kind: str) -> bytes:
    """A file of about the most pixels or bytes that are allowed."""
    values = np.zeros((5792, 5792), np.uint8)
    values[::70] = 90
    if kind.startswith("FITS tiles"):
        return compressed_fits(values.astype(kind.split()[-1]), (5792, 5792) if "whole" in kind else (1, 5792))
    if kind.startswith("FITS"):
        side = {"uint8": 5700, "uint16": 4000, "float32": 2850}[kind.split()[-1]]
        return fits_file(values[:side, :side].astype(kind.split()[-1]))  # uint16 is stored as int16 with BZERO
    image = Image.fromarray(values.astype(np.uint16) * 257) if kind == "I;16" else Image.fromarray(values).convert(kind)
    return encoded(image)


@pytest.mark.parametrize(
    "kind",
    [
        "RGB",
        "RGBA",
        "I;16",
        "P",
        "FITS uint8",
        "FITS uint16",
        "FITS float32",
        "FITS tiles int16",
        "FITS tiles whole int32",
    ],
)
def test_the_largest_picture_takes_bounded_memory(kind: str) -> None:
    """A picture of the most pixels that are allowed is decoded in less than 700 MiB."""
    done = subprocess.run([sys.executable, "-c", PEAK], input=largest(kind), capture_output=True, check=True)
    side, peak_mib = map(int, done.stdout.split())
    assert side <= 2048
    assert peak_mib < 700
