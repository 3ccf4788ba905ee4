"""The picture of a plan: hosts as columns, each with its memory now and afterwards, its moves as blocks with arrows. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TOP, BAR_HEIGHT, BAR_WIDTH, GAP = 26, 200, 72, 18
COLUMN_WIDTH = 2 * BAR_WIDTH + GAP + 74
FOOT = 40
LEAST_BLOCK, LABELLED_BLOCK = 3, 13
"""Pixels: a smaller guest is drawn so high; from the other on its name fits."""
HUES = 8
MOST_COLUMNS = 12
MOST_ARROWS = 60


@dataclass(frozen=True, slots=True)
class Block:
    """A guest in a bar. `hue` is one of HUES, the same at both ends of its move."""

    x: int
    y: int
    height: int
    name: str
    hue: int
    state: str
    memory_mib: int

    @property
    def labelled(self) -> bool:
        return self.height >= LABELLED_BLOCK

    @property
    def middle(self) -> int:
        return self.y + self.height // 2


@dataclass(frozen=True, slots=True)
class Column:
    """A host: its two bars, what stays in both, and who leaves and who comes."""

    name: str
    x: int
    after_x: int
    bar_y: int
    bar_height: int
    rest_y: int
    rest_height: int
    memory_mib: int
    before_mib: int
    after_mib: int
    leaving: tuple[Block, ...]
    coming: tuple[Block, ...]

    @property
    def before_share(self) -> int:
        return _share(self.before_mib, self.memory_mib)

    @property
    def after_share(self) -> int:
        return _share(self.after_mib, self.memory_mib)


@dataclass(frozen=True, slots=True)
class Picture:
    columns: tuple[Column, ...]
    arrows: tuple[str, ...]
    left_out: int

    @property
    def width(self) -> int:
        return max(1, len(self.columns)) * COLUMN_WIDTH

    @property
    def height(self) -> int:
        return TOP + BAR_HEIGHT + FOOT

    @property
    def bar_width(self) -> int:
        return BAR_WIDTH

    @property
    def half_bar(self) -> int:
        return BAR_WIDTH // 2

    @property
    def base(self) -> int:
        return TOP + BAR_HEIGHT


def picture(plan: Mapping[str, Any], memory: Mapping[str, tuple[int, int]]) -> Picture:
    """Of a plan's snapshot. `memory`: by host, all of it and what was free when it was planned, in MiB."""
    moves = [move for move in plan["moves"] if move["destination"] and move["state"] not in ("blocked", "skipped")]
    touched = {move["source"] for move in moves} | {move["destination"] for move in moves}
    names = sorted(touched & memory.keys(), key=lambda name: (name != plan["host"], name))
    tallest = max((memory[name][0] for name in names), default=0) or 1
    hues = {move["vm"]: number % HUES for number, move in enumerate(moves)}
    drawn = [
        _column(name, number, memory[name], tallest, moves, hues) for number, name in enumerate(names[:MOST_COLUMNS])
    ]
    return Picture(tuple(drawn), tuple(_arrows(drawn))[:MOST_ARROWS], max(0, len(names) - MOST_COLUMNS))


def _column(
    name: str,
    number: int,
    memory: tuple[int, int],
    tallest: int,
    moves: Sequence[Mapping[str, Any]],
    hues: Mapping[str, int],
) -> Column:
    total, free = memory
    x = number * COLUMN_WIDTH + (COLUMN_WIDTH - 2 * BAR_WIDTH - GAP) // 2
    leaving = [move for move in moves if move["source"] == name]
    coming = [move for move in moves if move["destination"] == name]
    out, come = _sum(leaving), _sum(coming)
    rest = max(0, total - free - out)
    scale = BAR_HEIGHT / tallest
    bar, rest_height = round(total * scale), round(rest * scale)
    base = TOP + BAR_HEIGHT
    return Column(
        name=name,
        x=x,
        after_x=x + BAR_WIDTH + GAP,
        bar_y=base - bar,
        bar_height=bar,
        rest_y=base - rest_height,
        rest_height=rest_height,
        memory_mib=total,
        before_mib=rest + out,
        after_mib=rest + come,
        leaving=tuple(_stack(leaving, x, base - rest_height, scale, hues)),
        coming=tuple(_stack(coming, x + BAR_WIDTH + GAP, base - rest_height, scale, hues)),
    )


def _sum(moves: Sequence[Mapping[str, Any]]) -> int:
    return sum(move["memory_mib"] for move in moves if move["kind"] == "live")


def _stack(
    moves: Sequence[Mapping[str, Any]], x: int, floor: int, scale: float, hues: Mapping[str, int]
) -> list[Block]:
    """The guests of a bar one on the other, on what stays."""
    found = []
    for move in moves:
        memory = move["memory_mib"] if move["kind"] == "live" else 0
        height = max(LEAST_BLOCK, round(memory * scale))
        floor -= height
        found.append(Block(x, floor, height - 1, move["vm_name"], hues[move["vm"]], move["state"], memory))
    return found


def _arrows(columns: Sequence[Column]) -> list[str]:
    """The paths from each guest's block now to its block afterwards."""
    goals = {block.name: block for column in columns for block in column.coming}
    found = []
    for column in columns:
        for block in column.leaving:
            goal = goals.get(block.name)
            if goal is None:
                continue
            start, end = block.x + BAR_WIDTH, goal.x
            if end < start:
                start, end = block.x, goal.x + BAR_WIDTH
            bend = (start + end) // 2
            found.append(f"M{start} {block.middle}C{bend} {block.middle} {bend} {goal.middle} {end} {goal.middle}")
    return found


def _share(part: int, whole: int) -> int:
    return round(part * 100 / whole) if whole else 0
