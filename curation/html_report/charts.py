"""Charts as inline SVG: drawn by matplotlib, coloured and written by the page.

Each chart is drawn twice, for a wide page and for a phone, since the letters of a shrunken drawing cannot be read.
Colours are named by numbers that the page's own replace, so that one drawing serves light and dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

KEPT, DROPPED, QUIET = "#010101", "#020202", "#030303"
"""Roles of bars; the values only mark places for the page's colours."""

_INK, _SOFT, _LINE = "#040404", "#050505", "#060606"
_VARIABLES = {
    KEPT: "--kept", DROPPED: "--rejected", QUIET: "--quiet", _INK: "--ink", _SOFT: "--soft", _LINE: "--line",
}  # fmt: skip
_WIDE, _NARROW = 760, 350
_POINTS_PER_INCH = 72
_ROW = 26
_HIGH = 250
_CHAR = 7.2
"""Width of a character of 12 units, to leave room for names."""

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 12,
    "text.color": _INK,
    "text.parse_math": False,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _SOFT,
    "xtick.color": _LINE,
    "xtick.labelcolor": _SOFT,
    "ytick.color": _LINE,
    "ytick.labelcolor": _INK,
    "axes.linewidth": 1,
}
_FONT = re.compile(r"font-family: [^;\"]*;? ?")
_SHORT_FONT = re.compile(r"font: ([0-9.]+px) [^;\"]*")
_ID = re.compile(r' id="([^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar.

    Args:
        name: beside it.
        value: its length.
        role: ``KEPT``, ``DROPPED`` or ``QUIET``.
        label: at its end; the value where there is none.
        more: length of a second bar that goes on from it, in the colour of what is dropped.
    """

    name: str
    value: int
    role: str = KEPT
    label: str = ""
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart in its two widths, and what it says in words."""

    wide: Markup
    narrow: Markup


def rows_chart(name: str, title: str, bars: Sequence[Bar]) -> Chart:
    """Horizontal bars, the first at the top."""
    return Chart(wide=_rows(name, title, bars, _WIDE), narrow=_rows(f"{name}-narrow", title, bars, _NARROW))


def columns_chart(name: str, title: str, bars: Sequence[Bar], *, axis: str) -> Chart:
    """Upright bars, as in a histogram."""
    wide = _columns(name, title, bars, _WIDE, axis)
    # On a phone the bars lie, as their names would run into each other.
    return Chart(wide=wide, narrow=_rows(f"{name}-narrow", f"{title}; {axis}", bars, _NARROW))


def _rows(name: str, title: str, bars: Sequence[Bar], width: int) -> Markup:
    most = _most(bars)
    left = 8 + _CHAR * max(len(bar.name) for bar in bars)
    # As wide as leaves each label its room; that of a short bar stands where longer bars are.
    room = min(
        (width - left - 12 - _CHAR * len(_label(bar))) * most / max(bar.value + bar.more, most / 10) for bar in bars
    )
    room = min(room, width - left - 2)
    height = _ROW * len(bars)
    with mpl.rc_context(mpl.rcParamsDefault), mpl.rc_context({**_SETTINGS, "svg.hashsalt": name}):
        figure = Figure(figsize=(width / _POINTS_PER_INCH, height / _POINTS_PER_INCH), dpi=_POINTS_PER_INCH)
        axes = figure.add_axes((left / width, 0, room / width, 1))
        places = range(len(bars))
        axes.barh(places, [bar.value for bar in bars], height=0.62, color=[bar.role for bar in bars])
        if any(bar.more for bar in bars):
            starts = [bar.value for bar in bars]
            axes.barh(places, [bar.more for bar in bars], left=starts, height=0.62, color=DROPPED)
        for place, bar in zip(places, bars, strict=True):
            axes.text(bar.value + bar.more + 6 * most / room, place, _label(bar), va="center", clip_on=False)
        axes.set(xlim=(0, most), ylim=(len(bars) - 0.5, -0.5), xticks=[], yticks=list(places))
        axes.set_yticklabels([bar.name for bar in bars])
        _plain(axes, keeps="left")
        return _svg(figure, name, title, width, height)


def _columns(name: str, title: str, bars: Sequence[Bar], width: int, axis: str) -> Markup:
    with mpl.rc_context(mpl.rcParamsDefault), mpl.rc_context({**_SETTINGS, "svg.hashsalt": name}):
        figure = Figure(figsize=(width / _POINTS_PER_INCH, _HIGH / _POINTS_PER_INCH), dpi=_POINTS_PER_INCH)
        axes = figure.add_axes((0.01, 46 / _HIGH, 0.98, (_HIGH - 70) / _HIGH))
        places = range(len(bars))
        axes.bar(places, [bar.value for bar in bars], width=0.86, color=[bar.role for bar in bars])
        most = _most(bars)
        for place, bar in zip(places, bars, strict=True):
            if bar.value:
                axes.text(place, bar.value + most / 50, _label(bar), ha="center", clip_on=False)
        axes.set(ylim=(0, most), xlim=(-0.6, len(bars) - 0.4), yticks=[], xticks=list(places), xlabel=axis)
        axes.set_xticklabels([bar.name for bar in bars])
        _plain(axes, keeps="bottom")
        return _svg(figure, name, title, width, _HIGH)


def _label(bar: Bar) -> str:
    return bar.label or f"{bar.value:,}"


def _most(bars: Sequence[Bar]) -> int:
    return max(1, *(bar.value + bar.more for bar in bars))


def _plain(axes: Axes, *, keeps: str) -> None:
    for side in ("left", "right", "top", "bottom"):
        axes.spines[side].set_visible(side == keeps)
    axes.tick_params(length=0)
    axes.patch.set_visible(False)


def _svg(figure: Figure, name: str, title: str, width: int, height: int) -> Markup:
    figure.patch.set_visible(False)
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    body = text[text.index(">") + 1 :]
    # The style sheet inside would rule the whole page.
    body = re.sub(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", body, count=1, flags=re.DOTALL)
    body = _SHORT_FONT.sub(r"font-size: \1", _FONT.sub("", body))
    # Several drawings share one page, where an id may stand once; those that are pointed at are hashes with our salt.
    body = _ID.sub(lambda found: found[0] if f"#{found[1]}" in body else "", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    label = f"{name}-title"
    head = f'<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="{label}">'
    return Markup(f'{head}<title id="{label}">{escape(title)}</title>{body}')  # noqa: S704 - numbers and names of ours
