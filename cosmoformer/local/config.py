"""Configuration files as frozen dataclasses: strict reading of JSON, with errors that name the member at fault."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from cosmoformer.errors import SettingsError

T = TypeVar("T")


def load(kind: type[T], file: Path) -> T:
    """Read a JSON file as a dataclass.

    Raises:
        SettingsError: the file is missing, no JSON, or a member is unknown, missing or of the wrong type.
    """
    try:
        text = file.read_text()
    except OSError as error:
        raise SettingsError(f"cannot read the configuration {file}: {error.strerror}") from None
    try:
        members = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"the configuration {file} must be JSON: {error}") from None
    return from_json(kind, members, where=file.name)


def from_json(kind: type[T], members: object, where: str) -> T:
    """A dataclass from the JSON object ``members``; field types say what is allowed.

    Args:
        kind: a dataclass of str, int, float, bool, Path, Literal, optional, tuple, Mapping and dataclass fields.
        members: the decoded JSON.
        where: name of the place, for error messages.

    Raises:
        SettingsError: a member is unknown, missing or of the wrong type.
    """
    if not isinstance(members, dict):
        raise SettingsError(f"{where}: expected a JSON object, got {_shown(members)}")
    hints = get_type_hints(kind)
    unknown = members.keys() - hints.keys()
    if unknown:
        raise SettingsError(f"{where}: unknown member {min(unknown)!r}", f"Known are {', '.join(hints)}")
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]  # T is a dataclass
        optional = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if field.name not in members and not optional:
            raise SettingsError(f"{where}: member {field.name!r} is missing")
    return kind(**{name: _convert(hints[name], value, f"{where}.{name}") for name, value in members.items()})


def require(condition: bool, expectation: str) -> None:
    """Refuse a configuration that does not meet an expectation.

    Raises:
        SettingsError: the condition is false.
    """
    if not condition:
        raise SettingsError(expectation)


def _convert(hint: Any, value: object, where: str) -> Any:
    arguments = get_args(hint)
    if dataclasses.is_dataclass(hint):
        return from_json(hint, value, where)  # type: ignore[arg-type]  # a class, as hints are
    if get_origin(hint) is UnionType:
        return None if value is None else _convert(arguments[0], value, where)
    if get_origin(hint) is Literal:
        require(value in arguments, f"{where}: expected one of {', '.join(arguments)}, got {_shown(value)}")
        return value
    if get_origin(hint) is tuple:
        items = _checked(list, value, where)
        return tuple(_convert(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(items))
    if get_origin(hint) is Mapping:
        members = _checked(dict, value, where)
        return {name: _convert(arguments[1], item, f"{where}.{name}") for name, item in members.items()}
    if hint is Path:
        return Path(_checked(str, value, where))
    return _checked(hint, value, where)


def _checked(kind: type[T], value: object, where: str) -> T:
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:  # not isinstance: JSON's true is no number
        raise SettingsError(f"{where}: expected a {kind.__name__}, got {_shown(value)}")
    return value


def _shown(value: object) -> str:
    return f"{json.dumps(value)[:60]}"
