"""The settings of a command: those of the environment, and beneath them those of this machine's settings file."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from cosmoformer.settings import Settings, load
from cosmoformer.settings_file import effective_environment

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


def with_settings(command: Callable[Concatenate[Settings, Parameters], Answer]) -> Callable[Parameters, Answer]:
    """A command function that is given the effective settings as its first argument."""

    @functools.wraps(command)
    def run(*args: Parameters.args, **options: Parameters.kwargs) -> Answer:
        return command(load(effective_environment()), *args, **options)

    return run
