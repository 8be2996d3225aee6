"""Tasks: what is lost on a wrong answer, and what is not when nobody was asked."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from cosmoformer.votes.tree import GZ2
from training.artifact.calibration import fit_temperature
from training.tasks import TASKS, Task

CLEAN5 = TASKS["clean5"]
SMALL = Task("small", "label", ("a", "b"), questions=(("q1.1", "q1.2"), ("q2.1", "q2.2", "q2.3")))


def test_the_class_loss_is_cross_entropy() -> None:
    """Without votes the loss is torch's own."""
    outputs, labels = torch.randn(6, 7), torch.tensor([0, 1, 1, 0, 0, 1])
    assert torch.allclose(
        SMALL.loss(outputs, labels, torch.full((6, 5), torch.nan)), F.cross_entropy(outputs[:, :2], labels)
    )


def test_class_weights_count_galaxies_not_what_smoothing_spreads() -> None:
    """With weights the loss is the weighted sum of the galaxies' own, smoothed or not; one without a class costs nothing."""
    outputs, labels = torch.randn(6, 7), torch.tensor([0, 1, -1, 0, 0, 1])
    weights = torch.tensor([0.25, 4.0])
    each = F.cross_entropy(outputs[:, :2], labels, ignore_index=-1, label_smoothing=0.1, reduction="none")
    expected = (each * torch.tensor([0.25, 4.0, 0.0, 0.25, 0.25, 4.0])).sum() / 6
    loss = SMALL.loss(outputs, labels, torch.full((6, 5), torch.nan), label_smoothing=0.1, class_weights=weights)
    assert torch.allclose(loss, expected)


def test_a_galaxy_without_class_or_votes_costs_nothing() -> None:
    """Neither a missing label nor missing votes give a loss or a gradient."""
    outputs = torch.randn(3, 7, requires_grad=True)
    loss = SMALL.loss(outputs, torch.full((3,), -1), torch.full((3, 5), torch.nan), target_weight=1.0)
    loss.backward()
    assert float(loss.detach()) == 0
    assert outputs.grad is not None
    assert not outputs.grad.any()


def test_votes_are_matched_best_by_their_own_shares() -> None:
    """The loss is zero for outputs that give the votes' shares and above it for others; nobody asked weighs nothing."""
    votes = torch.tensor([[0.75, 0.25, 0.2, 0.05, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0]])
    labels = torch.full((2,), -1)
    right = torch.log(torch.tensor([[1, 1, 0.75, 0.25, 0.8, 0.2, 1e-9], [1, 1, 1, 1e-9, 0.2, 0.3, 0.5]]))
    assert float(SMALL.loss(right, labels, votes, target_weight=1.0)) == pytest.approx(0, abs=1e-6)
    wrong = right.clone()
    wrong[0, 4:7] = torch.log(torch.tensor([0.2, 0.8, 1e-9]))
    assert float(SMALL.loss(wrong, labels, votes, target_weight=1.0)) > 0.05


def test_a_question_that_only_some_were_asked_does_not_spoil_others() -> None:
    """Votes known for one question only still teach that one."""
    votes = torch.tensor([[0.75, 0.25, torch.nan, torch.nan, torch.nan]])
    outputs = torch.zeros(1, 7, requires_grad=True)
    SMALL.loss(outputs, torch.tensor([-1]), votes, target_weight=1.0).backward()
    assert outputs.grad is not None
    assert outputs.grad[0, 2:4].abs().min() > 0
    assert not outputs.grad[0, 4:].any()


def test_clean5_learns_the_galaxy_zoo_questions() -> None:
    """The clean sample's task has five classes and the 37 answers of eleven questions."""
    assert (len(CLEAN5.classes), len(CLEAN5.questions), len(CLEAN5.targets), CLEAN5.outputs) == (5, 11, 37, 42)


def test_predictions_are_probabilities_of_the_classes_alone() -> None:
    """The answers' outputs have no say, and a temperature above one makes probabilities more even."""
    outputs = torch.randn(4, 7)
    plain, soft = SMALL.predictions(outputs), SMALL.predictions(outputs, 5.0)
    assert plain.shape == (4, 2)
    assert torch.allclose(plain.sum(1), torch.ones(4))
    assert (soft.max(1).values <= plain.max(1).values).all()


def test_temperature_scaling_finds_the_true_temperature() -> None:
    """Logits that are three times too confident get a temperature of three."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(20_000, 5, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator).squeeze(1)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3, rel=0.03)


def test_a_perfect_validation_split_keeps_a_finite_temperature() -> None:
    """Where every image is right, the temperature does not run to zero."""
    assert 0.05 <= fit_temperature(10 * torch.eye(5), torch.arange(5)) <= 1


VOTES = TASKS["clean5_votes"]


def test_five_votes_are_the_shares_of_the_classes() -> None:
    """The loss is least for outputs that give the votes' shares, and then it is their entropy; the largest share decides."""
    votes = torch.tensor([[0.6, 0.1, 0.0, 0.1, 0.0], [0.0, 0.0, 0.2, 0.4, 0.2]])
    shares = votes / votes.sum(1, keepdim=True)
    outputs = shares.clamp(min=1e-9).log().requires_grad_()
    loss = VOTES.loss(outputs, torch.full((2,), -1), votes, target_weight=1.0)
    assert float(loss.detach()) == pytest.approx(float(-torch.special.xlogy(shares, shares).sum() / 2), abs=1e-5)
    loss.backward()
    assert outputs.grad is not None
    assert outputs.grad.abs().max() < 1e-5
    assert VOTES.predictions(outputs).argmax(1).tolist() == [0, 3]


def test_labels_teach_where_votes_are_missing() -> None:
    """Without all five votes, or with no weight on them, the loss is the label's; with neither it is nothing."""
    outputs, labels = torch.randn(3, 5), torch.tensor([1, 4, -1])
    votes = torch.tensor([[0.1, 0.7, 0.0, 0.1, torch.nan], [torch.nan] * 5, [torch.nan] * 5])
    expected = F.cross_entropy(outputs[:2], labels[:2], label_smoothing=0.1, reduction="sum") / 3
    assert torch.allclose(VOTES.loss(outputs, labels, votes, label_smoothing=0.1, target_weight=1.0), expected)
    known = torch.full((3, 5), 0.2)
    assert torch.allclose(VOTES.loss(outputs, labels, known, label_smoothing=0.1), expected)
    half = VOTES.loss(outputs[:1], labels[:1], known[:1], target_weight=0.5)
    assert torch.allclose(half, F.cross_entropy(outputs[:1], torch.tensor([[0.1, 0.6, 0.1, 0.1, 0.1]])))


def test_what_a_model_tells_are_cumulative_fractions() -> None:
    """Told votes follow the decision tree: the answers of a question sum to the fraction that reached it."""
    told = CLEAN5.told(torch.randn(6, 42))
    fraction = dict(zip((*CLEAN5.classes, *CLEAN5.answers), told.unbind(1), strict=True))
    assert torch.allclose(told[:, :5].sum(1), torch.ones(6))
    columns = dict(zip(GZ2.labels, GZ2.challenge_columns, strict=True))
    for question, answers in zip(GZ2.questions, CLEAN5.questions, strict=True):
        before = [] if question.challenge_asks_all else [columns[label] for label in GZ2.leading_to(question.name)]
        reached = sum((fraction[column] for column in before), torch.zeros(6)) if before else torch.ones(6)
        assert torch.allclose(sum((fraction[answer] for answer in answers), torch.zeros(6)), reached, atol=1e-6)
    assert CLEAN5.told(torch.randn(2, 5))[:, 5:].isnan().all()


def test_nothing_is_learned_from_a_teacher_who_says_the_same() -> None:
    """The loss is zero for the teacher's own outputs at any temperature, above it for others; untold votes cost nothing."""
    outputs = torch.randn(4, 42)
    told = CLEAN5.told(outputs)
    for temperature in (1.0, 4.0):
        same = CLEAN5.taught_loss(outputs, told, temperature=temperature, target_weight=1.0)
        assert float(same) == pytest.approx(0, abs=1e-4)
        assert float(CLEAN5.taught_loss(torch.randn(4, 42), told, temperature=temperature)) > 0.05
    classes_only = torch.cat([told[:, :5], torch.full((4, 37), torch.nan)], dim=1)
    other = torch.randn(4, 42)
    expected = CLEAN5.taught_loss(other, told, temperature=2.0)
    assert torch.equal(CLEAN5.taught_loss(other, classes_only, temperature=2.0, target_weight=1.0), expected)
