"""A readable table of results, one row a completion, printed as they come."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from verifier.types import GroupResult, Outcome, Scored, Verdict

_STYLES = {
    Outcome.CORRECT: "green",
    Outcome.INCORRECT: "red",
    Outcome.UNSCORABLE: "yellow",
    Outcome.FAILED: "magenta",
}
_GROUP_WIDTH = 28


class TableWriter:
    """Prints rows; columns have fixed widths, so nothing is kept in memory."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._has_head = False

    def write(self, result: GroupResult) -> None:
        """Prints the rows of one group."""
        if not self._has_head:
            self._has_head = True
            self._print(Text(f"{'group':{_GROUP_WIDTH}} {'#':>3} {'reward':>8}  verdicts", style="bold"))
        for number, scored in enumerate(result.scores, start=1):
            self._print(_row(result.id, number, scored))

    def _print(self, row: Text) -> None:
        if self._console.is_terminal:
            self._console.print(row, no_wrap=True, overflow="ellipsis")
        else:
            # In a pipe there is no width to keep to.
            self._console.print(row, soft_wrap=True)


def _row(group_id: str, number: int, scored: Scored) -> Text:
    row = _cell(group_id)
    row.append(f" {number:>3} ")
    row.append(f"{'-' if scored.reward is None else format(scored.reward, '.3f'):>8}  ", style="bold")
    for index, verdict in enumerate(scored.verdicts):
        row.append("  " if index else "")
        row.append_text(_verdict(verdict))
    return row


def _verdict(verdict: Verdict) -> Text:
    style = _STYLES[verdict.outcome]
    share = "" if verdict.score in (None, 0.0, 1.0) else f" {verdict.score:.2f}"
    return Text.assemble(f"{verdict.verifier} ", (f"{verdict.outcome.name}{share}", style), f" {verdict.reason}")


def _cell(text: str) -> Text:
    # Some scripts take two places a character, which only the console knows.
    cell = Text("".join(character if character.isprintable() else " " for character in text[: 4 * _GROUP_WIDTH]))
    cell.truncate(_GROUP_WIDTH, overflow="ellipsis", pad=True)
    return cell
