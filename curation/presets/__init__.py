"""Recipes that come with the package, each a TOML file to read, print and change."""

from __future__ import annotations

from importlib.resources import files

from curation.errors import UsageError, near


def preset_names() -> tuple[str, ...]:
    """Names of all presets, in order."""
    return tuple(sorted(file.name.removesuffix(".toml") for file in files(__name__).iterdir() if _is_preset(file.name)))


def preset(name: str) -> str:
    """The text of a preset.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in preset_names():
        raise UsageError(f"unknown preset {name!r}; {near(name, preset_names())}")
    return (files(__name__) / f"{name}.toml").read_text(encoding="utf-8")


def _is_preset(name: str) -> bool:
    return name.endswith(".toml")
