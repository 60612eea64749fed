"""Help and messages in Japanese (`LANG=ja_JP.UTF-8`): a table of sentences, and patterns for those that hold names.

What the tables lack is shown in English. gettext would need compiled files and its own tools for less than this.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


def in_japanese() -> bool:
    """Whether the locale asks for Japanese, by gettext's rules."""
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next((name for name in names if name), "C")
    if locale in ("C", "POSIX") or locale.startswith("C."):
        return False
    return (os.environ.get("LANGUAGE") or locale).startswith("ja")


def told(message: str) -> str:
    """The message in the user's language."""
    if not in_japanese():
        return message
    for pattern, template in _patterns():
        if match := pattern.fullmatch(message):
            return template.format(*(group or "" for group in match.groups()))
    return message


def translate(command: Any) -> None:
    """Put Japanese help into a command of click and those below it."""
    from sokuon.cli.japanese_texts import HELP, HELP_OPTION

    if option := command.get_help_option(command.context_class(command)):  # made when first asked for, then kept
        option.help = HELP_OPTION
    command.help = HELP.get(command.help, command.help)
    command.short_help = HELP.get(command.short_help, command.short_help)
    for param in command.params:
        for field in ("help", "rich_help_panel"):
            text = getattr(param, field, None)
            setattr(param, field, HELP.get(text or "", text))
    for below in getattr(command, "commands", {}).values():
        translate(below)


def without_markup(command: Any) -> None:
    """Show brackets in help that is plain: rich would take their backslashes."""
    for param in command.params:
        param.help = (getattr(param, "help", None) or "").replace("\\[", "[")
    for below in getattr(command, "commands", {}).values():
        without_markup(below)


@contextmanager
def japanese_frame() -> Iterator[None]:
    """Meanwhile typer's own words around a help text are Japanese, those that it still has under these names."""
    from typer import rich_utils

    from sokuon.cli.japanese_texts import FRAME

    english = {name: getattr(rich_utils, name) for name in FRAME if hasattr(rich_utils, name)}
    try:
        for name in english:
            setattr(rich_utils, name, FRAME[name])
        yield
    finally:
        for name, text in english.items():
            setattr(rich_utils, name, text)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    from sokuon.cli.japanese_texts import MESSAGES

    return tuple((re.compile(pattern, re.DOTALL), template) for pattern, template in MESSAGES)
