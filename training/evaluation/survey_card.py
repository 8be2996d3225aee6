"""What a model card says of other surveys, of sizes in the frame and of colours, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from training.evaluation.surveys import Group, SurveyFigures

_ZOOM = "zoom "  # before the number in the name of a way to show galaxies
_HEADINGS = ("galaxies", "accuracy", "95 % interval", "mean confidence", "marked as no galaxy")


def section(surveys: Sequence[SurveyFigures], names: Mapping[str, str]) -> str:
    """A part of a card; empty without surveys.

    Args:
        surveys: what was measured; the first one is that which the model learned from.
        names: of the classes, in words.
    """
    if not surveys:
        return ""
    own, others = surveys[0], surveys[1:]
    parts = [_zooms(own, others), _by_class(own, names), _quarters(own)]
    return "\n" + "\n\n".join(part for part in parts if part) + "\n"


def frame(radii: float, surveys: Sequence[SurveyFigures]) -> str:
    """How large a galaxy is to be in its picture, and how far from that the model holds; empty where it has no rule.

    Args:
        radii: side of an original, in Petrosian radii (R90) of its galaxy; 0 for no rule.
        surveys: as for :func:`section`.
    """
    if not radii:
        return ""
    rule = f"\n**Frame.** The side of an original is {radii:g} Petrosian radii (R90) of its galaxy, whatever the pixel scale."
    return rule + (_holding(surveys[0]) if surveys else "") + "\n"


def _holding(own: SurveyFigures) -> str:
    """The zooms about 1 at which accuracy lies within its interval at 1."""
    ways = {float(one.name.removeprefix(_ZOOM)): one for one in own.shown if one.name.startswith(_ZOOM)}
    wanted = ways.get(1.0)
    if wanted is None or wanted.low is None:
        return ""
    fails = [zoom for zoom, one in ways.items() if one.accuracy is None or one.accuracy < wanted.low]
    smallest = min(zoom for zoom in ways if not any(zoom <= other < 1 for other in fails))
    largest = max(zoom for zoom in ways if not any(1 < other <= zoom for other in fails))
    return (
        f" Shown {smallest:g} to {largest:g} times as large,\ngalaxies of {own.name} are told about as well: accuracy is "
        "not below its interval at that size. Of a picture with another frame,\ntell the galaxy's size or a zoom."
    )


def _zooms(own: SurveyFigures, others: Sequence[SurveyFigures]) -> str:
    counted = ", ".join(f"{one.shown[0].images:,} of {one.name}" for one in (own, *others))
    rows = [
        (ways[0].name, *(_share(way) for way in ways))
        for ways in zip(*(one.shown for one in (own, *others)), strict=True)
    ]
    return (
        "By the galaxy's size in the frame, and by colour: accuracy with its 95 % interval, and the share that is marked as no "
        "galaxy. At zoom 2 a galaxy is shown twice as large; colours are at zoom 1. `python -m training.evaluate_surveys` "
        f"measures it on galaxies drawn at random, {counted}; accuracy on those of them with a class that can be mapped.\n\n"
        + table(("shown", *(one.name for one in (own, *others))), rows)
    )


def _share(group: Group) -> str:
    flagged = "" if group.flagged is None else f"; {100 * group.flagged:.1f} %"
    if group.accuracy is None or group.low is None or group.high is None:
        return f"–{flagged}"
    return f"{group.accuracy:.3f} ({group.low:.3f} to {group.high:.3f}){flagged}"


def _by_class(own: SurveyFigures, names: Mapping[str, str]) -> str:
    rows = [(names.get(one.name, one.name), *_cells(one)) for one in own.by_class]
    return (
        f"Calibration by the class that was given, {own.name}, all {own.images:,} galaxies: accuracy, on the {own.with_class:,} "
        "that have a class, beside the mean confidence.\n\n" + table(("class given", *_HEADINGS), rows)
    )


def _quarters(own: SurveyFigures) -> str:
    sizes = table(("half-light radius in the picture", *_HEADINGS), [(one.name, *_cells(one)) for one in own.by_size])
    light = table(("mean brightness within it", *_HEADINGS), [(one.name, *_cells(one)) for one in own.by_brightness])
    return f"By size and by brightness of the galaxy in the picture, all in quarters:\n\n{sizes}\n\n{light}"


def _cells(one: Group) -> tuple[str, ...]:
    interval = "–" if one.low is None else f"{one.low:.3f} to {one.high:.3f}"
    told = (one.accuracy, one.confidence, one.flagged)
    accuracy, confidence, flagged = ("–" if value is None else f"{value:.3f}" for value in told)
    return f"{one.images:,}", accuracy, interval, confidence, flagged


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
