"""Augmentation: the same pictures as torchvision v2, one draw an image, tables and their mistakes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from cosmoformer.errors import SettingsError
from cosmoformer.render import SAMPLES, render
from training.augmentation import image_operations as operations
from training.augmentation.augment import PRESETS, Augmentation, preset

# isort: split
from torchvision.transforms.v2 import functional as torchvision  # training has mended its import by now

EVERYTHING = Augmentation(
    rotation=180,
    horizontal_flip=0.5,
    vertical_flip=0.5,
    zoom=(0.8, 1.25),
    crop_scale=(0.5, 1.0),
    crop_ratio=(0.75, 1.33),
    shift=0.1,
    blur_chance=0.5,
    blur_sigma=(0.001, 0.02),
    brightness=0.5,
    contrast=0.5,
    saturation=0.5,
    hue=0.1,
    colour=0.3,
    noise=0.1,
)


def galaxies(side: int = 48, count: int = 4) -> Tensor:
    """Different rendered galaxies, float (count, 3, side, side), brightened so that clamping at 1 has work to do."""
    names = sorted(SAMPLES)
    pixels = [torch.from_numpy(render(SAMPLES[names[i % len(names)]], size=side, seed=i)) for i in range(count)]
    return (torch.stack(pixels).permute(0, 3, 1, 2).float() / 255 * 1.5).clamp(0, 1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def maps(count: int, **changes: Tensor) -> Tensor:
    """Affine maps that change nothing but what is given."""
    ones, pairs = torch.ones(count), torch.ones(count, 2)
    still = {
        "rotation": 0 * ones,
        "flip": pairs,
        "zoom": ones,
        "crop_size": pairs,
        "crop_centre": 0 * pairs,
        "shift": 0 * pairs,
    }
    return operations.affine_matrices(**(still | changes))


@pytest.mark.parametrize(
    ("name", "factors"),
    [
        ("brightness", (0.0, 0.6, 1.0, 1.7)),
        ("contrast", (0.0, 0.6, 1.0, 1.7)),
        ("saturation", (0.0, 0.6, 1.0, 1.7)),
        ("hue", (-0.5, -0.13, 0.0, 0.4)),
    ],
)
def test_colour_jitter_is_torchvisions(name: str, factors: tuple[float, ...]) -> None:
    """Each image of a batch is adjusted as torchvision adjusts it alone with its factor."""
    images = galaxies()
    ours = getattr(operations, f"adjust_{name}")(images, torch.tensor(factors))
    for image, adjusted, factor in zip(images, ours, factors, strict=True):
        torch.testing.assert_close(adjusted, getattr(torchvision, f"adjust_{name}")(image, factor), atol=2e-6, rtol=0)


def test_hue_of_pure_colours_turns_like_torchvisions() -> None:
    """Saturated colours, on the corners of the hexagon, and greys keep to torchvision's hue as well."""
    levels = torch.tensor([0.0, 0.5, 1.0])
    colours = torch.cartesian_prod(levels, levels, levels).T.reshape(1, 3, 3, 9)
    for turn in (-0.5, -1 / 3, -1 / 6, 0.0, 0.2, 0.5):
        ours = operations.adjust_hue(colours, torch.tensor([turn]))
        torch.testing.assert_close(ours, torchvision.adjust_hue(colours, turn), atol=2e-6, rtol=0)


@pytest.mark.parametrize("side", [9, 48, 49])
def test_blur_is_torchvisions(side: int) -> None:
    """Each image is blurred as torchvision blurs it alone with its sigma and the same kernel size."""
    images, sigmas = galaxies(side), (0.3, 0.8, 1.5, 2.0)
    blurred = operations.gaussian_blur(images, torch.tensor(sigmas), radius=6)
    for image, ours, sigma in zip(images, blurred, sigmas, strict=True):
        theirs = torchvision.gaussian_blur(image, [13, 13], [sigma, sigma])
        torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=0)


def test_blur_without_width_changes_nothing() -> None:
    """A sigma of 0 is the identity, not a division by zero."""
    images = galaxies()
    assert torch.equal(operations.gaussian_blur(images, torch.zeros(4), radius=3), images)


def test_rotation_zoom_and_shift_are_torchvisions() -> None:
    """One map does what torchvision's affine does, where neither looks beyond the image's edge."""
    images = galaxies(64)
    angles, zooms = torch.tensor([30.0, -77.0, 180.0, 5.0]), torch.tensor([1.0, 1.3, 1.1, 0.9])
    shifts = torch.tensor([[0, 0], [3, -2], [-4, 1], [2, 5]])
    matrices = maps(4, rotation=torch.deg2rad(angles), zoom=zooms, shift=shifts / 64)
    seen = operations.resample(images, matrices)
    for index, image in enumerate(images):
        theirs = torchvision.affine(
            image,
            -float(angles[index]),  # torchvision's affine turns clockwise, its rotate the other way
            shifts[index].tolist(),
            float(zooms[index]),
            [0.0, 0.0],
            interpolation=torchvision.InterpolationMode.BILINEAR,
        )
        centre = (slice(None), slice(18, 46), slice(18, 46))
        torch.testing.assert_close(seen[index][centre], theirs[centre], atol=1e-4, rtol=0)


def test_rotation_turns_as_torchvisions_rotate() -> None:
    """Positive angles turn counter-clockwise."""
    images = galaxies(64, count=1)
    seen = operations.resample(images, maps(1, rotation=torch.tensor([math.radians(25)])))
    theirs = torchvision.rotate(images, 25, interpolation=torchvision.InterpolationMode.BILINEAR)
    torch.testing.assert_close(seen[..., 16:48, 16:48], theirs[..., 16:48, 16:48], atol=1e-4, rtol=0)


def test_crop_is_torchvisions() -> None:
    """A crop stretched to the whole image is torchvision's resized crop, but for the pixels along its edge."""
    images = galaxies(64, count=1)
    top, left, height, width = 10, 4, 40, 50
    size = torch.tensor([[width, height]]) / 64
    centre = 2 * torch.tensor([[left + width / 2, top + height / 2]]) / 64 - 1
    seen = operations.resample(images, maps(1, crop_size=size, crop_centre=centre))
    theirs = torchvision.resized_crop(images, top, left, height, width, [64, 64], antialias=False)
    torch.testing.assert_close(seen[..., 1:-1, 1:-1], theirs[..., 1:-1, 1:-1], atol=1e-4, rtol=0)


@pytest.mark.parametrize("side", [32, 33])
def test_flips_mirror(side: int) -> None:
    """A chance of 1 mirrors every image along its axis and no other."""
    images = galaxies(side)
    across = Augmentation(horizontal_flip=1)(images, seeded())
    torch.testing.assert_close(across, images.flip(3), atol=1e-4, rtol=0)
    down = Augmentation(vertical_flip=1)(images, seeded())
    torch.testing.assert_close(down, images.flip(2), atol=1e-4, rtol=0)


def test_quarter_turn_moves_a_marked_pixel() -> None:
    """Ninety degrees take the middle of the top edge to the middle of the left edge."""
    image = torch.zeros(1, 3, 33, 33)
    image[0, :, 2, 16] = 1
    turned = operations.resample(image, maps(1, rotation=torch.tensor([math.pi / 2])))
    expected = torch.zeros(1, 3, 33, 33)
    expected[0, :, 16, 2] = 1
    torch.testing.assert_close(turned, expected, atol=1e-4, rtol=0)


def test_beyond_the_edge_is_the_reflection() -> None:
    """Where a shift uncovers what no image shows, the image is mirrored, so that no black edge is learned."""
    images = galaxies(32)
    seen = operations.resample(images, maps(4, shift=torch.tensor([[0.125, 0.0]]).expand(4, 2)))
    torch.testing.assert_close(seen[..., :4], images[..., :4].flip(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(seen[..., 4:], images[..., :-4], atol=1e-4, rtol=0)


def test_none_changes_nothing() -> None:
    """Without augmentation images come back bit for bit."""
    images = galaxies()
    assert torch.equal(preset("none")(images, seeded()), images)


def test_an_image_that_is_not_drawn_is_unchanged() -> None:
    """In one batch some images are flipped or blurred, and the others come back bit for bit."""
    images = galaxies(count=1).expand(64, -1, -1, -1)
    for augmentation in (Augmentation(horizontal_flip=0.5), Augmentation(blur_chance=0.5, blur_sigma=(0.02, 0.02))):
        unchanged = (augmentation(images, seeded()) == images).flatten(1).all(dim=1)
        assert 16 < int(unchanged.sum()) < 48


def test_generator_decides() -> None:
    """The same state of the generator gives the same images, another gives others, and the global state is not used."""
    images = galaxies()
    first = EVERYTHING(images, seeded(1))
    before = torch.get_rng_state()
    assert torch.equal(EVERYTHING(images, seeded(1)), first)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(EVERYTHING(images, seeded(2)), first)


@pytest.mark.parametrize(
    "changes",
    [
        {"rotation": 180.0},
        {"zoom": (0.8, 1.25)},
        {"crop_scale": (0.5, 1.0)},
        {"crop_scale": (0.6, 0.6), "crop_ratio": (0.7, 1.4)},
        {"shift": 0.1},
        {"blur_chance": 1.0, "blur_sigma": (0.005, 0.03)},
        {"brightness": 0.5},
        {"contrast": 0.5},
        {"saturation": 0.5},
        {"hue": 0.2},
        {"colour": 0.3},
        {"noise": 0.1},
    ],
    ids=lambda changes: "+".join(changes),
)
def test_every_image_has_its_own_draw(changes: dict[str, Any]) -> None:
    """Copies of one image become different images, in each property that varies."""
    images = galaxies(count=1).expand(6, -1, -1, -1)
    augmented = Augmentation(**changes)(images, seeded())
    for one in range(6):
        for other in range(one):
            assert not torch.equal(augmented[one], augmented[other])


def test_draws_fill_their_ranges() -> None:
    """Maps drawn for many images reach over the whole of what the table allows, and not beyond it."""
    side, count = 8, 4096
    ramp = torch.linspace(-1 + 1 / side, 1 - 1 / side, side).expand(count, 3, side, side) / 4 + 0.5
    seen = Augmentation(zoom=(0.8, 1.25))(ramp, seeded())
    slope = (seen[:, 0, 0, 4] - seen[:, 0, 0, 3]) / (ramp[0, 0, 0, 4] - ramp[0, 0, 0, 3])
    zoom = 1 / slope
    assert float(zoom.min()) == pytest.approx(0.8, abs=0.005)
    assert float(zoom.max()) == pytest.approx(1.25, abs=0.005)
    assert float(zoom.log().mean()) == pytest.approx(0, abs=0.01)


def test_crops_lie_inside_the_image() -> None:
    """Whatever scale and ratio are drawn, a crop shows nothing twice: no reflection comes into it."""
    side = 32
    ramp = torch.linspace(0, 1, side).expand(512, 3, side, side)
    seen = Augmentation(crop_scale=(0.3, 1.0), crop_ratio=(0.5, 2.0))(ramp, seeded())
    assert bool((seen.diff(dim=3) > 0).flatten(1)[:, 1:-1].all())
    width = (seen[:, 0, 0, 20] - seen[:, 0, 0, 10]) / (ramp[0, 0, 0, 20] - ramp[0, 0, 0, 10])
    assert float(width.min()) < 0.5 and 0.95 < float(width.max()) < 1.001


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize(("count", "side"), [(1, 48), (3, 37), (2, 1)])
def test_presets_keep_shape_and_range(name: str, count: int, side: int) -> None:
    """Every preset takes any number of images of any side, keeps 0..1 and leaves its input alone."""
    images = galaxies(48, count)[..., :side, :side].clone()
    before = images.clone()
    augmented = preset(name)(images, seeded())
    assert augmented.shape == images.shape and augmented.dtype == images.dtype
    assert float(augmented.min()) >= 0 and float(augmented.max()) <= 1
    assert torch.equal(images, before)


def test_everything_at_once_keeps_range() -> None:
    """All operations together stay finite and in 0..1, on black, white and random images too."""
    images = torch.cat([galaxies(33), torch.zeros(4, 3, 33, 33), torch.ones(4, 3, 33, 33)])
    augmented = EVERYTHING(images, seeded())
    assert bool(augmented.isfinite().all())
    assert float(augmented.min()) >= 0 and float(augmented.max()) <= 1


def test_there_is_a_preset_for_each_paper() -> None:
    """The presets that recipes name exist."""
    assert {"best", "thesis", "kaggle-cnn", "kaggle-vit", "kaggle-notebook", "mobilevit", "none"} == set(PRESETS)


def test_unknown_preset_is_refused() -> None:
    """A preset that does not exist is refused with those that do."""
    with pytest.raises(SettingsError, match=r"unknown augmentation 'bets'.*best, .*thesis"):
        preset("bets")


def test_unknown_key_is_refused() -> None:
    """A misspelt key is refused with the keys that are allowed."""
    with pytest.raises(SettingsError, match=r"has no 'rotate', 'zooom'.*Allowed are rotation, .*zoom, .*noise"):
        Augmentation.from_table({"zooom": [0.9, 1.1], "rotate": 90, "noise": 0.1})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"rotation": "any"}, "'rotation' is a number, got 'any'"),
        ({"rotation": [0, 90]}, "'rotation' is a number"),
        ({"horizontal_flip": True}, "'horizontal_flip' is a number, got True"),
        ({"zoom": 1.1}, "'zoom' is an array of two numbers, got 1.1"),
        ({"zoom": [0.9, 1.0, 1.1]}, "'zoom' is an array of two numbers"),
        ({"zoom": [1.1, 0.9]}, "'zoom' must be from 0 to 100, the smaller first"),
        ({"zoom": [0, 1]}, "'zoom' must be above 0"),
        ({"crop_scale": [0.5, 1.5]}, "'crop_scale' must be from 0 to 1"),
        ({"crop_ratio": [1.2, 1.5]}, "'crop_ratio' must hold 1"),
        ({"horizontal_flip": 50}, "'horizontal_flip' must be from 0 to 1"),
        ({"rotation": 360}, "'rotation' must be from 0 to 180"),
        ({"hue": 0.7}, "'hue' must be from 0 to 0.5"),
        ({"noise": -0.1}, "'noise' must be from 0 to 1"),
        ({"noise": math.nan}, "'noise' must be from 0 to 1"),
    ],
)
def test_a_value_that_means_nothing_is_refused(table: dict[str, object], message: str) -> None:
    """A value of the wrong kind or outside what its key can mean is refused when it is read, not in training."""
    with pytest.raises(SettingsError, match=message):
        Augmentation.from_table(table)


def test_table_is_the_augmentation() -> None:
    """A table gives the same as its values in code, whole numbers and arrays included."""
    table = {"rotation": 90, "zoom": [1, 1.2], "noise": 0}
    assert Augmentation.from_table(table) == Augmentation(rotation=90.0, zoom=(1.0, 1.2))
    assert replace(preset("none"), noise=0.1) == Augmentation.from_table({"noise": 0.1})


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
        torch.zeros(3, 8, 8),
        torch.zeros(1, 1, 8, 8),
        torch.zeros(1, 3, 8, 9),
    ],
    ids=["uint8", "one image", "grey", "not square"],
)
def test_other_tensors_are_refused(images: Tensor) -> None:
    """What is no batch of square RGB images in floats is refused with what was expected."""
    with pytest.raises(ValueError, match=r"expected float images \(N, 3, S, S\)"):
        Augmentation()(images, seeded())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_augments_where_the_images_are() -> None:
    """On a GPU, images and draws stay on it, and the same state of the generator gives the same images."""
    images = galaxies().cuda()
    first, again = (EVERYTHING(images, torch.Generator("cuda").manual_seed(3)) for _ in range(2))
    assert first.device == images.device and torch.equal(first, again)
