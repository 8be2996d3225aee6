"""The renderer of synthetic galaxies: its profiles measured as an astronomer would measure them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cosmoformer.render import SAMPLES, Arms, Bar, Disc, EdgeOnDisc, Galaxy, Spheroid, render
from cosmoformer.render.__main__ import main
from cosmoformer.render.canvas import Canvas, sky_offsets
from cosmoformer.render.field import GALAXIES, STARS, magnitudes
from cosmoformer.render.galaxy import OLD, Array, Colour, DustLane, band_fluxes
from cosmoformer.render.painting import paint, transmission
from cosmoformer.render.profiles import edge_on_disc, exponential_disc, ferrers_bar, sersic, sersic_b

BUNDLED = Path(__file__).parents[3] / "cosmoformer" / "bundled" / "samples"
FIELD = 60.0  # arcsec
FACE_ON = Disc(
    magnitude=15.0,
    scale_length=6.0,
    break_radius=18.0,
    arms=Arms(number=2, pitch=20.0, inner=3.0, outer=18.0, wobble=0.0, patchiness=0.0),
)


def grid(field: float = FIELD, side: int = 600) -> tuple[Array, Array, float]:
    """Coordinates over a square field and the area of one cell."""
    offset = (np.arange(side, dtype=np.float64) - (side - 1) / 2) * field / side
    return offset[None, :], offset[:, None], (field / side) ** 2


def painted(galaxy: Galaxy, size: int = 150, seed: int = 0) -> Array:
    """The r band of a galaxy, before seeing and noise."""
    canvas = Canvas(size, galaxy.field_of_view)
    paint(galaxy, canvas, np.random.default_rng(seed))
    return np.asarray(canvas.pixels()[1], dtype=np.float64)


def azimuthal_modes(image: Array, radius: float, field: float) -> Array:
    """Complex Fourier amplitudes around a circle, counterclockwise from the top, relative to the mean."""
    side = image.shape[0]
    azimuth = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    x, y = sky_offsets(radius * np.cos(azimuth), radius * np.sin(azimuth), 0.0)
    row = np.floor(side / 2 - y * side / field).astype(int)
    column = np.floor(side / 2 + x * side / field).astype(int)
    modes = np.fft.rfft(image[row, column])
    return np.asarray(modes / modes[0].real)


def test_render_gives_an_rgb_image_of_the_asked_size() -> None:
    """A render is a square uint8 RGB image."""
    image = render(SAMPLES["two_armed_spiral"], size=48)
    assert image.shape == (48, 48, 3)
    assert image.dtype == np.uint8


def test_render_is_deterministic_for_a_seed() -> None:
    """The same seed gives the same pixels, another seed gives others."""
    galaxy = SAMPLES["barred_spiral"]
    assert np.array_equal(render(galaxy, size=48, seed=3), render(galaxy, size=48, seed=3))
    assert not np.array_equal(render(galaxy, size=48, seed=3), render(galaxy, size=48, seed=4))


def test_render_refuses_an_empty_image() -> None:
    """A size below one pixel is refused with what was expected."""
    with pytest.raises(ValueError, match="at least 1 pixel"):
        render(SAMPLES["round_smooth"], size=0)


def test_a_galaxy_looks_the_same_at_every_size() -> None:
    """The irregularities of the arms belong to the galaxy and its seed, not to the pixel grid."""
    galaxy = SAMPLES["two_armed_spiral"]
    fine = painted(galaxy, 144, seed=5).reshape(72, 2, 72, 2).mean(axis=(1, 3))
    coarse = painted(galaxy, 72, seed=5)
    assert np.corrcoef(fine.ravel(), coarse.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("index", [0.5, 1.0, 2.5, 4.0])
def test_half_of_a_sersic_profile_lies_within_its_effective_radius(index: float) -> None:
    """The half-light radius of a painted Sérsic profile is its effective radius within 2 %."""
    galaxy = Galaxy(field_of_view=FIELD, spheroid=Spheroid(magnitude=22.5, effective_radius=6.0, index=index))
    x, y, area = grid(side=300)
    light = painted(galaxy, 300).ravel() * area
    order = np.argsort(np.hypot(x, y).ravel())
    growth = np.cumsum(light[order])
    half_light = np.interp(0.5, growth, np.hypot(x, y).ravel()[order])
    assert half_light == pytest.approx(6.0, rel=0.02)


def test_sersic_b_matches_the_known_values() -> None:
    """The expansion gives the published b of the exponential and the de Vaucouleurs profile."""
    assert sersic_b(1.0) == pytest.approx(1.67835, abs=1e-4)
    assert sersic_b(4.0) == pytest.approx(7.66925, abs=1e-4)


def test_sersic_b_refuses_indices_where_the_expansion_fails() -> None:
    """A Sérsic index below 0.5 is refused."""
    with pytest.raises(ValueError, match=r"at least 0\.5, got 0\.2"):
        sersic_b(0.2)


def test_profiles_have_unit_flux() -> None:
    """Every profile integrates to one over the sky, so that magnitudes are total magnitudes."""
    x, y, area = grid(field=160.0, side=800)
    profiles = {
        "sersic": sersic(x, y, effective_radius=6.0, index=1.0, axis_ratio=0.5),
        "disc": exponential_disc(np.hypot(x, y / 0.6), scale_length=6.0, break_radius=15.0, axis_ratio=0.6),
        "edge-on": edge_on_disc(x, y, scale_length=7.0, scale_height=2.0),
        "bar": ferrers_bar(x, y, semi_major=20.0, axis_ratio=0.3, boxiness=2.6),
    }
    for name, profile in profiles.items():
        assert profile.sum() * area == pytest.approx(1.0, abs=2e-3), name


def test_axis_ratio_and_position_angle_are_recovered_from_second_moments() -> None:
    """Second moments of the painted light give back the axis ratio, and the angle from north through east."""
    spheroid = Spheroid(magnitude=15.0, effective_radius=4.0, index=1.0, axis_ratio=0.4)
    light = painted(Galaxy(field_of_view=FIELD, position_angle=35.0, spheroid=spheroid))
    x, y, _ = grid(side=150)
    east, north = -x, -y
    moments = [(light * product).sum() / light.sum() for product in (east * east, north * north, east * north)]
    values = np.linalg.eigvalsh([[moments[0], moments[2]], [moments[2], moments[1]]])
    angle = np.degrees(0.5 * np.arctan2(2 * moments[2], moments[1] - moments[0]))
    assert np.sqrt(values[0] / values[1]) == pytest.approx(0.4, rel=0.02)
    assert angle == pytest.approx(35.0, abs=0.5)


@pytest.mark.parametrize(("inclination", "axis_ratio"), [(0.0, 1.0), (60.0, np.sqrt(0.28)), (90.0, 0.2)])
def test_inclination_sets_the_apparent_axis_ratio(inclination: float, axis_ratio: float) -> None:
    """An oblate disc of intrinsic axis ratio 0.2 is round face-on and 0.2 edge-on."""
    disc = Disc(magnitude=15.0, scale_length=5.0, break_radius=12.0, inclination=inclination, thickness=0.2)
    assert disc.axis_ratio == pytest.approx(axis_ratio)


def test_edge_on_disc_follows_the_bessel_function_and_sech_squared() -> None:
    """One scale length out the brightness has fallen to K₁(1), one scale height up to sech²(1)."""
    u, v = np.array([0.0, 5.0, 0.0]), np.array([0.0, 0.0, 1.0])
    centre, along, above = edge_on_disc(u, v, scale_length=5.0, scale_height=1.0)
    assert along / centre == pytest.approx(0.601907, rel=1e-3)
    assert above / centre == pytest.approx(0.419974, rel=1e-4)


def test_disc_bends_down_at_its_break() -> None:
    """Outside the break the scale length is half of that inside."""
    radius = np.array([5.0, 6.0, 20.0, 21.0])
    light = exponential_disc(radius, scale_length=5.0, break_radius=15.0, axis_ratio=1.0)
    assert light[1] / light[0] == pytest.approx(np.exp(-1 / 5))
    assert light[3] / light[2] == pytest.approx(np.exp(-1 / 2.5))


def test_bar_ends_at_its_semi_major_axis_and_lies_at_its_angle() -> None:
    """A face-on bar's light is along its angle from the line of nodes and nowhere beyond its end."""
    disc = Disc(magnitude=40.0, scale_length=6.0, break_radius=15.0, bar=Bar(magnitude=15, semi_major=10, angle=30))
    light = painted(Galaxy(field_of_view=FIELD, disc=disc))
    bar = azimuthal_modes(light, 5.0, FIELD)
    x, y, _ = grid(side=150)
    assert -np.degrees(np.angle(bar[2])) / 2 == pytest.approx(30.0, abs=1.0)
    assert light[np.hypot(x, y) > 10.5].max() < 1e-6 * light.max()


def test_face_on_two_armed_spiral_has_its_power_in_even_modes() -> None:
    """Around the middle of the disc the m = 2 Fourier mode stands out, and odd modes are absent."""
    power = np.abs(azimuthal_modes(painted(Galaxy(field_of_view=FIELD, disc=FACE_ON)), 9.0, FIELD))
    assert power[2] > 0.2
    assert power[2] > 5 * max(power[1], power[3])


@pytest.mark.parametrize("pitch", [20.0, -14.0])
def test_pitch_angle_is_recovered_from_the_phase_of_the_arms(pitch: float) -> None:
    """The m = 2 phase advances with ln radius as a logarithmic spiral of the pitch angle does."""
    assert FACE_ON.arms is not None
    disc = replace(FACE_ON, arms=replace(FACE_ON.arms, pitch=pitch))
    light = painted(Galaxy(field_of_view=FIELD, disc=disc), 300)
    radii = np.linspace(5.0, 13.0, 30)
    phase = np.unwrap([-np.angle(azimuthal_modes(light, radius, FIELD)[2]) for radius in radii]) / 2
    slope = np.polyfit(np.log(radii), phase, 1)[0]
    assert np.degrees(np.arctan(1 / slope)) == pytest.approx(pitch, abs=1.0)


def test_arms_move_light_but_make_none() -> None:
    """Gathering light in arms keeps the magnitude of the disc."""
    smooth = painted(Galaxy(field_of_view=FIELD, disc=replace(FACE_ON, arms=None))).sum()
    assert painted(Galaxy(field_of_view=FIELD, disc=FACE_ON)).sum() == pytest.approx(smooth, rel=5e-3)


def test_knots_lie_on_the_arms_and_are_blue() -> None:
    """Star-forming regions add their flux, most of it where the arms are brighter than the mean."""
    assert FACE_ON.arms is not None
    knotty = replace(FACE_ON, arms=replace(FACE_ON.arms, knots=200, knots_magnitude=18.0))
    canvases = [Canvas(150, FIELD), Canvas(150, FIELD)]
    for canvas, disc in zip(canvases, (FACE_ON, knotty), strict=True):
        paint(Galaxy(field_of_view=FIELD, disc=disc), canvas, np.random.default_rng(0))
    plain, with_knots = (canvas.pixels() for canvas in canvases)
    knots = (with_knots - plain).sum(axis=(1, 2)) * (FIELD / 150) ** 2
    smooth = painted(Galaxy(field_of_view=FIELD, disc=replace(FACE_ON, arms=None)))
    on_arms = (with_knots - plain)[1][plain[1] > smooth].sum() * (FIELD / 150) ** 2
    assert knots[1] == pytest.approx(10 ** (0.4 * 4.5), rel=1e-6)
    assert knots[2] / knots[1] > 2 * band_fluxes(18.0, OLD)[2] / band_fluxes(18.0, OLD)[1]
    assert on_arms / knots[1] > 0.7


def test_dust_reddens_and_hides_at_most_half_of_the_light() -> None:
    """In the mid-plane the dust takes more g than i, and the stars in front of it stay visible."""
    dust = DustLane(optical_depth=2.0, scale_length=10.0, scale_height=1.0)
    i, r, g = transmission(dust, np.array([[0.0]]), np.array([[0.0]]))[:, 0, 0]
    assert 0.5 < g < r < i < 1.0
    assert transmission(dust, np.array([[0.0]]), np.array([[9.0]])).min() > 0.999


def test_dust_lane_darkens_the_mid_plane_of_an_edge_on_disc() -> None:
    """With a thick lane a disc is brighter above its mid-plane than in it; without, it is the other way round."""
    dust = DustLane(optical_depth=20.0, scale_length=20.0, scale_height=0.6)
    dusty = EdgeOnDisc(magnitude=14.0, scale_length=8.0, scale_height=3.0, dust=dust)
    for disc, lane in ((dusty, True), (replace(dusty, dust=None), False)):
        column = painted(Galaxy(field_of_view=FIELD, position_angle=90.0, disc=disc), 150)[:, 75]
        assert bool(column[70] > 1.1 * column[74]) is lane


def test_an_old_population_is_redder_than_a_young_one() -> None:
    """Colour indices become flux ratios: g − r = 1 is a factor of 2.512."""
    i, r, g = band_fluxes(22.5, Colour(g_r=1.0, r_i=0.5))
    assert (r, r / g, i / r) == pytest.approx((1.0, 10**0.4, 10**0.2))


def test_neighbours_are_mostly_faint() -> None:
    """Magnitudes stay within their limits and grow in number as the slope of the counts says."""
    for bright, faint, slope in (STARS, GALAXIES):
        drawn = magnitudes(20000, bright, faint, slope, np.random.default_rng(4))
        middle = (bright + faint) / 2
        share = (10 ** (slope * (middle - faint)) - 10 ** (slope * (bright - faint))) / (
            1 - 10 ** (slope * (bright - faint))
        )
        assert bright <= drawn.min() <= drawn.max() <= faint
        assert np.mean(drawn < middle) == pytest.approx(share, abs=0.015)


def test_sky_offsets_undo_the_coordinates_along_an_axis() -> None:
    """Going from the sky to an axis and back returns to the same place."""
    canvas = Canvas(8, FIELD)
    x, y = sky_offsets(*canvas.along(52.0), 52.0)
    assert np.allclose(x, canvas.x)
    assert np.allclose(y, canvas.y)


@pytest.mark.slow
def test_command_writes_the_samples_that_are_bundled(tmp_path: Path) -> None:
    """The command lists one 424-pixel JPEG below 40 KB per sample, and the bundled ones show the same galaxies."""
    answer = CliRunner().invoke(main, [str(tmp_path / "new")])
    assert answer.exit_code == 0, answer.output
    written = [Path(line) for line in answer.output.splitlines()]
    assert [path.stem for path in written] == list(SAMPLES)
    for path in written:
        with Image.open(path) as fresh, Image.open(BUNDLED / path.name) as bundled:
            assert (fresh.format, fresh.size, fresh.mode) == ("JPEG", (424, 424), "RGB")
            difference = np.asarray(fresh, dtype=float) - np.asarray(bundled, dtype=float)
        assert path.stat().st_size < 40_000
        assert np.abs(difference).mean() < 2.0, f"{path.name}: run python -m cosmoformer.render {BUNDLED}"


def test_command_explains_itself() -> None:
    """The help says what is written and where."""
    answer = CliRunner().invoke(main, ["--help"])
    assert answer.exit_code == 0
    assert "FOLDER" in answer.output
    assert "JPEG" in answer.output
