"""Cumulative and conditional vote fractions, by hand and on real votes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cosmoformer.votes.fractions import asked, to_conditional, to_cumulative
from cosmoformer.votes.tree import GZ2

SHARED = Path(__file__).parents[4] / "shared" / "data"


def fractions(**given: float) -> dict[str, float]:
    """Fractions by label; keywords have underscores for both marks, as in ``smooth_or_featured_smooth``."""
    names = {label.replace("-", "_"): label for label in GZ2.labels}
    return {names[name]: value for name, value in given.items()}


def test_asked_follows_the_answers() -> None:
    """Who is asked a question is who gave the answers that lead there."""
    shares = asked(
        GZ2,
        fractions(
            smooth_or_featured_smooth=0.5, smooth_or_featured_featured_or_disk=0.4, smooth_or_featured_artifact=0.1,
            disk_edge_on_yes=0.25, disk_edge_on_no=0.75, bar_yes=0.5, bar_no=0.5,
            has_spiral_arms_yes=0.8, has_spiral_arms_no=0.2, spiral_winding_tight=1.0, spiral_arm_count_2=1.0,
            how_rounded_round=1.0, bulge_shape_boxy=1.0, bulge_size_no=1.0, something_odd_yes=0.5, something_odd_no=0.5,
        ),
    )  # fmt: skip
    assert shares == pytest.approx(
        {
            "smooth-or-featured": 1.0, "disk-edge-on": 0.4, "bar": 0.3, "has-spiral-arms": 0.3, "bulge-size": 0.3,
            "something-odd": 0.9, "how-rounded": 0.5, "odd-feature": 0.45, "bulge-shape": 0.1, "spiral-winding": 0.24,
            "spiral-arm-count": 0.24,
        }
    )  # fmt: skip
    assert list(shares) == [question.name for question in GZ2.questions]


def test_rounding_never_asks_more_than_everybody() -> None:
    """Fractions that sum to a little more than 1 do not make a share above it."""
    assert (
        asked(GZ2, fractions(smooth_or_featured_smooth=1.0, how_rounded_round=1.0, how_rounded_cigar=1e-6))[
            "something-odd"
        ]
        == 1
    )


def test_a_question_that_nobody_was_asked_has_no_fractions() -> None:
    """Conditional fractions of a smooth galaxy's arms are unknown, and come back as nobody's."""
    smooth = np.zeros((1, 37))
    smooth[
        0, [GZ2.labels.index(name) for name in ("smooth-or-featured_smooth", "how-rounded_round", "something-odd_no")]
    ] = 1
    conditional = dict(zip(GZ2.labels, to_conditional(GZ2, smooth)[0], strict=True))
    assert conditional["how-rounded_round"] == 1.0 and np.isnan(conditional["spiral-arm-count_2"])
    assert np.array_equal(to_cumulative(GZ2, to_conditional(GZ2, smooth)), smooth)


def test_unknown_votes_stay_unknown() -> None:
    """A question without votes has no conditional fractions."""
    unknown = np.full((2, 37), np.nan)
    assert np.isnan(to_conditional(GZ2, unknown)).all()


@pytest.mark.parametrize("seed", range(3))
def test_conversion_of_drawn_fractions_there_and_back(seed: int) -> None:
    """Whatever the fractions, they come back where anybody is asked."""
    drawn = np.random.default_rng(seed).random((50, 37))
    conditional = to_conditional(GZ2, drawn)
    assert np.allclose(to_conditional(GZ2, to_cumulative(GZ2, conditional)), conditional)


def real_votes() -> NDArray[np.float64]:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    files = sorted(SHARED.glob("gz_challenge-*.parquet"))
    if not files:
        pytest.skip("the Galaxy Zoo Challenge's votes are not at hand (../shared/data)")
    columns = list(GZ2.challenge_columns)
    votes: NDArray[np.float64] = pandas.concat([pandas.read_parquet(file, columns=columns) for file in files]).to_numpy(
        np.float64
    )
    return votes


def test_real_votes_come_back_by_way_of_conditional_ones() -> None:
    """On every galaxy with all 37 votes the tree gives back the Challenge's fractions: it is the one behind them."""
    votes = real_votes()
    votes = votes[np.isfinite(votes).all(axis=1)]
    assert len(votes) > 15_000
    again = to_cumulative(GZ2, to_conditional(GZ2, votes))
    assert np.abs(again - votes).max() < 1e-5  # as many digits as the votes have


def test_conditional_real_votes_sum_to_one_where_anybody_was_asked() -> None:
    """Each question's conditional fractions sum to 1; where nobody was asked, none is known."""
    votes = real_votes()
    conditional, start = to_conditional(GZ2, votes), 0
    for question in GZ2.questions:
        part = slice(start, start := start + len(question.answers))
        sums, anybody = conditional[:, part].sum(axis=1), votes[:, part].sum(axis=1) > 0
        assert np.allclose(sums[anybody], 1) and np.isnan(sums[~anybody]).all()
