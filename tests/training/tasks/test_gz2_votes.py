"""The Galaxy Zoo Challenge's task: heads and losses against values by hand, what teaches, and how it is judged."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch

from cosmoformer.votes.fractions import to_conditional, to_cumulative
from cosmoformer.votes.tree import GZ2, Answer, Question, Tree
from training.tasks import TASKS
from training.tasks.vote_heads import sigmoid, weighted_softmax
from training.tasks.vote_losses import hierarchical, mean_square, root_mean_square

TASK = TASKS["gz2_votes"]
SMALL = Tree(
    "small",
    (
        Question("a", "A?", (Answer("yes", "yes", "b"), Answer("no", "no")), "Class1"),
        Question("b", "B?", (Answer("1", "1"), Answer("2", "2"), Answer("3", "3")), "Class2"),
    ),
)
NAN = math.nan


def test_a_sigmoid_tells_each_answer_for_itself() -> None:
    """Logits of 0 and log 3 are a half and three quarters, whatever the other answers say."""
    assert sigmoid(SMALL, torch.tensor([[0.0, math.log(3), -math.log(3), 0, 0]])).tolist() == [
        pytest.approx([0.5, 0.75, 0.25, 0.5, 0.5])
    ]


def test_a_softmax_is_weighted_by_who_is_asked() -> None:
    """Three quarters say yes; of these, half choose the first of three answers and a quarter each of the others."""
    outputs = torch.tensor([[math.log(3), 0.0, math.log(2), 0.0, 0.0]])
    found = weighted_softmax(SMALL, outputs)
    assert found.tolist() == [pytest.approx([0.75, 0.25, 0.375, 0.1875, 0.1875])]


def test_the_weighted_softmax_agrees_with_the_tree() -> None:
    """On Galaxy Zoo 2's tree it gives what the conversion of conditional fractions gives, and its gradient is finite."""
    outputs = torch.randn(5, 37, requires_grad=True)
    found = weighted_softmax(GZ2, outputs)
    parts = outputs.detach().split([len(question.answers) for question in GZ2.questions], dim=1)
    shares = torch.cat([part.softmax(dim=1) for part in parts], dim=1)
    assert np.allclose(found.detach().numpy(), to_cumulative(GZ2, shares.numpy()), atol=1e-6)
    found.sum().backward()
    assert outputs.grad is not None and outputs.grad.isfinite().all()


PREDICTED = torch.tensor([[0.5, 0.5, 0.2, 0.2, 0.2], [0.9, 0.1, 0.3, 0.3, 0.4]])
VOTED = torch.tensor([[0.7, 0.3, 0.2, 0.4, 0.2], [1.0, 0.0, NAN, NAN, NAN]])
QUESTIONS = (2, 3)


def test_the_mean_square_error_is_of_what_is_known() -> None:
    """Of seven known answers the squares are .04, .04, 0, .04, 0, .01 and .01: their mean is .02."""
    assert float(mean_square(PREDICTED, VOTED, QUESTIONS)) == pytest.approx(0.14 / 7)
    assert float(root_mean_square(PREDICTED, VOTED, QUESTIONS)) == pytest.approx(math.sqrt(0.02), abs=1e-6)


def test_the_hierarchical_loss_counts_questions_alike() -> None:
    """It is the mean cross-entropy of the first question's four known answers plus that of the second's three."""

    def entropy(predicted: float, voted: float) -> float:
        return -voted * math.log(predicted) - (1 - voted) * math.log(1 - predicted)

    first = [entropy(0.5, 0.7), entropy(0.5, 0.3), entropy(0.9, 1.0), entropy(0.1, 0.0)]
    second = [entropy(0.2, 0.2), entropy(0.2, 0.4), entropy(0.2, 0.2)]
    assert float(hierarchical(PREDICTED, VOTED, QUESTIONS)) == pytest.approx(sum(first) / 4 + sum(second) / 3, abs=1e-6)


@pytest.mark.parametrize("loss", [mean_square, root_mean_square, hierarchical])
def test_what_is_not_known_teaches_nothing(loss: object) -> None:
    """Unknown fractions have no gradient; where nothing is known, or all is right, the loss and its gradient are finite."""
    assert callable(loss)
    for voted in (VOTED, torch.full((2, 5), NAN), PREDICTED):
        predicted = PREDICTED.clone().requires_grad_()
        value = loss(predicted, voted, QUESTIONS)
        value.backward()
        assert value.isfinite() and predicted.grad is not None and predicted.grad.isfinite().all()
        assert not predicted.grad[voted.isnan()].any()


def test_the_task_has_37_outputs_and_no_classes() -> None:
    """Its artifact gives the fractions of the whole tree as their group, no classes and no values."""
    assert (TASK.outputs, TASK.classes, TASK.values, TASK.is_classification) == (37, (), (), False)
    assert TASK.fractions is not None and TASK.fractions.labels == GZ2.labels
    assert TASK.targets == GZ2.challenge_columns


def test_head_and_loss_are_chosen_by_name() -> None:
    """A recipe's names change what outputs mean and what is made small; a wrong name lists those that exist."""
    outputs, votes = torch.zeros(1, 37), torch.zeros(1, 37)
    labels = torch.full((1,), -1)
    assert float(TASK.learning("", "").loss(outputs, labels, votes)) == pytest.approx(0.25)
    assert float(TASK.learning("sigmoid", "rmse").loss(outputs, labels, votes)) == pytest.approx(0.5)
    assert float(TASK.learning("", "hierarchical").loss(outputs, labels, votes)) == pytest.approx(
        11 * math.log(2), rel=1e-5
    )
    tree = TASK.learning("weighted_softmax", "").predictions(outputs)
    assert float(tree[0, 0]) == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="unknown head 'softmax'; there are sigmoid, weighted_softmax"):
        TASK.learning("softmax", "")
    with pytest.raises(ValueError, match="unknown loss 'l2'; there are mse, rmse, hierarchical"):
        TASK.learning("", "l2")
    with pytest.raises(ValueError, match="the task clean5 has one head and one loss"):
        TASKS["clean5"].learning("sigmoid", "")


def test_galaxies_with_every_fraction_are_judged() -> None:
    """One answer that is not known takes a galaxy out of the held-out splits."""
    table = pd.DataFrame(np.zeros((3, 37)), columns=list(TASK.targets))
    table.loc[1, "Class11.6"] = np.nan
    assert TASK.judged(table).tolist() == [True, False, True]


def test_the_score_is_the_negative_error() -> None:
    """Off by a tenth everywhere is an error of a tenth, over all 37 fractions."""
    voted = np.full((4, 37), 0.5, np.float32)
    found = TASK.judge(voted.astype(np.float64) + 0.1, np.full(4, -1), voted)
    assert found["rmse"] == pytest.approx(0.1) and found["score"] == -found["rmse"]


def test_artifacts_share_what_a_sigmoid_says() -> None:
    """Conditional fractions of the exported module are those that the head's cumulative ones come to, for both heads."""
    core = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 37))
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    for head in ("sigmoid", "weighted_softmax"):
        task = TASK.learning(head, "")
        module = task.artifact_module(core, 8, 1.0)
        with torch.no_grad():
            told = module.cropped(images)  # type: ignore[operator]
            fractions = task.predictions(core((images / 255.0 - module.mean) / module.std))  # type: ignore[operator]
        assert np.allclose(told.numpy(), to_conditional(GZ2, fractions.numpy()), atol=1e-5)
