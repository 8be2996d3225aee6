"""Errors and reliability of vote fractions, on votes whose figures are known beforehand."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from numpy.typing import NDArray

from cosmoformer.votes.fractions import to_conditional, to_cumulative
from cosmoformer.votes.tree import GZ2
from training.evaluation.votes import VOLUNTEERS, vote_figures, votes_of


def drawn(count: int = 400, seed: int = 0) -> NDArray[np.float64]:
    """Conditional fractions of galaxies (N, 37)."""
    return to_conditional(GZ2, np.random.default_rng(seed).random((count, 37)))


def test_votes_that_are_told_exactly_have_no_error() -> None:
    """Whoever tells the volunteers' own fractions is right in all answers and reliable in all questions."""
    told = drawn()
    found = vote_figures(GZ2, told, to_cumulative(GZ2, told))
    assert (found.images, found.rmse) == (400, 0.0)
    assert [one.name for one in found.questions] == list(GZ2.names)
    assert all(one.rmse == one.calibration_error == 0 for one in found.questions)


def test_the_error_is_that_of_cumulative_fractions_over_all_answers() -> None:
    """An answer that is off by 0.1 where everybody is asked counts 0.1; one that hardly anybody is asked, hardly anything."""
    told = np.zeros((1, 37))
    for label in ("smooth-or-featured_smooth", "how-rounded_round", "something-odd_no", "bar_yes"):
        told[0, GZ2.labels.index(label)] = 1.0
    voted = to_cumulative(GZ2, told)
    told[0, [GZ2.labels.index("how-rounded_round"), GZ2.labels.index("how-rounded_cigar")]] = (0.9, 0.1)
    told[0, [GZ2.labels.index("bar_yes"), GZ2.labels.index("bar_no")]] = (0.0, 1.0)  # nobody is asked of a bar
    found = vote_figures(GZ2, told, voted)
    by_name = {one.name: one for one in found.questions}
    assert found.rmse == pytest.approx(np.sqrt(2 * 0.01 / 37), abs=1e-5)
    assert by_name["how-rounded"].rmse == pytest.approx(np.sqrt(0.02 / 3), abs=1e-5) and by_name["bar"].rmse == 0
    assert by_name["bar"].asked == by_name["bar"].calibration_error == 0


def test_chance_is_the_error_of_who_tells_the_true_fractions() -> None:
    """Volunteers drawn from true fractions differ from them by as much as is reckoned from what they said."""
    random, column = np.random.default_rng(3), GZ2.labels.index("smooth-or-featured_smooth")
    true, voted = np.zeros((4000, 37)), np.zeros((4000, 37))
    true[:, column] = random.random(4000)
    voted[:, column] = random.binomial(VOLUNTEERS, true[:, column]) / VOLUNTEERS
    for one in (true, voted):
        one[:, GZ2.labels.index("smooth-or-featured_artifact")] = 1 - one[:, column]
    found = vote_figures(GZ2, true, voted)
    assert found.chance == pytest.approx(found.rmse, rel=0.03)
    assert found.questions[0].chance == pytest.approx(found.questions[0].rmse, rel=0.03)


def test_fractions_that_say_too_much_are_found_unreliable() -> None:
    """Who tells 0.9 where volunteers give 0.6 is off by 0.3, and the bins say so."""
    voted = np.zeros((50, 37))
    voted[:, GZ2.labels.index("smooth-or-featured_smooth")] = 0.6
    voted[:, GZ2.labels.index("smooth-or-featured_artifact")] = 0.4
    told = np.zeros((50, 37))
    told[:, GZ2.labels.index("smooth-or-featured_smooth")] = 0.9
    told[:, GZ2.labels.index("smooth-or-featured_artifact")] = 0.1
    first = vote_figures(GZ2, told, voted).questions[0]
    assert first.calibration_error == pytest.approx((2 * 0.3 + 0) / 3)
    (high,) = (one for one in first.reliability if one.low <= 0.9 < one.high)
    assert (high.predicted, high.voted, high.asked) == pytest.approx((0.9, 0.6, 50))


def test_accuracy_counts_a_galaxy_by_who_was_asked() -> None:
    """Of two galaxies told as smooth one is not: half of the first answers are right, and 0.9 of 0.95 of those who went on."""
    columns = {label: column for column, label in enumerate(GZ2.labels)}
    voted, told = np.zeros((2, 37)), np.zeros((2, 37))
    for row, (smooth, featured) in enumerate(((0.9, 0.1), (0.05, 0.95))):
        voted[row, columns["smooth-or-featured_smooth"]] = smooth
        voted[row, columns["smooth-or-featured_featured-or-disk"]] = featured
        told[row, columns["smooth-or-featured_smooth"]] = told[row, columns["how-rounded_round"]] = 1.0
    voted[0, columns["how-rounded_round"]], voted[1, columns["how-rounded_cigar"]] = 0.9, 0.05
    found = {one.name: one.accuracy for one in vote_figures(GZ2, told, voted).questions}
    assert found["smooth-or-featured"] == 0.5
    assert found["how-rounded"] == pytest.approx(0.9 / 0.95, abs=1e-5)
    assert found["odd-feature"] == 0  # nobody was asked


def test_the_error_has_an_interval_over_galaxies() -> None:
    """It holds the error, is as wide as galaxies differ, and has no width where all are told alike."""
    voted = np.full((200, 37), 0.5)
    wrong = to_conditional(GZ2, voted)
    alike = vote_figures(GZ2, wrong, voted)
    assert alike.rmse_low == alike.rmse == alike.rmse_high
    differing = vote_figures(GZ2, drawn(200, seed=1), to_cumulative(GZ2, drawn(200, seed=2)))
    assert differing.rmse_low is not None and differing.rmse_high is not None
    assert differing.rmse_low < differing.rmse < differing.rmse_high


def test_a_record_from_before_has_no_interval() -> None:
    """Figures that were written without accuracy and interval are read, and say that they do not know them."""
    members = json.loads(json.dumps(asdict(vote_figures(GZ2, drawn(5), to_cumulative(GZ2, drawn(5))))))
    del members["rmse_low"], members["rmse_high"]
    for one in members["questions"]:
        del one["accuracy"]
    found = votes_of(members)
    assert found.rmse_low is None and found.questions[0].accuracy is None


def test_only_galaxies_with_all_votes_count() -> None:
    """A galaxy of which one answer is unknown is left out; where none is left there are no figures."""
    told = drawn(10)
    voted = to_cumulative(GZ2, told)
    voted[3:, 36] = np.nan
    assert vote_figures(GZ2, told, voted).images == 3
    with pytest.raises(ValueError, match="none of 10 galaxies has all 37 votes"):
        vote_figures(GZ2, told, np.full((10, 37), np.nan))


def test_figures_survive_their_report() -> None:
    """What is read back from JSON is what was found."""
    found = vote_figures(GZ2, drawn(50, seed=1), to_cumulative(GZ2, drawn(50, seed=2)))
    assert found.rmse > 0.01
    assert votes_of(json.loads(json.dumps(asdict(found)))) == found
