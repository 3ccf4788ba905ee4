"""What is next in a move of images: each situation by itself, and every way through crashes to an end that loses nothing."""

import itertools
from dataclasses import dataclass, field, replace

import pytest

from hosts.moving_images.steps import BACK, FORWARD, Situation, Step, Stop, Target, next_step

FULL, EMPTY, ABSENT, SHARE, OTHER = Target.FULL, Target.EMPTY, Target.ABSENT, Target.SHARE, Target.OTHER
BEGIN = Situation(target=FULL, aside=False, to_copy=2)


@pytest.mark.parametrize(
    ("situation", "step"),
    [
        (BEGIN, Step.ASIDE),
        (replace(BEGIN, active=("web",)), Step.SHUT_DOWN),
        (replace(BEGIN, active=("web",), to_define=("web",)), Step.SHUT_DOWN),
        (replace(BEGIN, to_define=("web",)), Step.DEFINE),
        (replace(BEGIN, target=EMPTY, aside=True), Step.MOUNT),
        (replace(BEGIN, target=ABSENT, aside=True), Step.MOUNT),
        (replace(BEGIN, target=EMPTY, aside=True, to_define=("web",)), Step.DEFINE),
        (replace(BEGIN, target=EMPTY, aside=True, active=("web",)), Step.SHUT_DOWN),
        (replace(BEGIN, target=SHARE, aside=True), Step.COPY),
        (replace(BEGIN, target=SHARE, aside=True, active=("web",)), Step.COPY),
        (replace(BEGIN, target=SHARE, aside=True, to_copy=0, to_start=("web",)), Step.START),
        (replace(BEGIN, target=SHARE, aside=True, to_copy=0), Step.DONE),
        (replace(BEGIN, target=SHARE, aside=False, to_copy=0), Step.DONE),
    ],
)
def test_the_way_forward(situation: Situation, step: Step) -> None:
    assert next_step(situation, going_back=False) is step


@pytest.mark.parametrize(
    ("situation", "step"),
    [
        (replace(BEGIN, target=SHARE, aside=True, active=("web",)), Step.SHUT_DOWN),
        (replace(BEGIN, target=SHARE, aside=True, to_copy_back=1, copies_left=1), Step.COPY_BACK),
        (replace(BEGIN, target=SHARE, aside=True, copies_left=1), Step.CLEAR_SHARE),
        (replace(BEGIN, target=SHARE, aside=True), Step.UNMOUNT),
        (replace(BEGIN, target=EMPTY, aside=True), Step.RESTORE),
        (replace(BEGIN, target=ABSENT, aside=True, to_define_back=("web",)), Step.RESTORE),
        (replace(BEGIN, to_define_back=("web",)), Step.DEFINE_BACK),
        (replace(BEGIN, to_define_back=("web",), active=("web",)), Step.SHUT_DOWN),
        (replace(BEGIN, to_start=("web",)), Step.START),
        (replace(BEGIN, active=("web",)), Step.DONE),
    ],
)
def test_the_way_back(situation: Situation, step: Step) -> None:
    assert next_step(situation, going_back=True) is step


@pytest.mark.parametrize("going_back", [False, True])
@pytest.mark.parametrize(
    ("situation", "words"),
    [
        (replace(BEGIN, target=OTHER, found="/dev/sdb1"), "/dev/sdb1"),
        (replace(BEGIN, aside=True), "somebody put new ones there"),
        (replace(BEGIN, target=EMPTY), "no folder is aside"),
        (replace(BEGIN, target=ABSENT), "no folder is aside"),
        (replace(BEGIN, target=SHARE), "not in the folder aside"),
    ],
)
def test_what_nobody_can_explain_is_left_to_a_person(situation: Situation, words: str, going_back: bool) -> None:
    stop = next_step(situation, going_back=going_back)
    assert isinstance(stop, Stop) and words in stop.message and stop.hint


@dataclass
class World:
    """A host and a share, as the steps change them: files by name with their content, VMs that write to one of them."""

    target: str = "local"
    local: dict[str, str] = field(default_factory=lambda: {"web": "v1", "iso": "v1"})
    aside: dict[str, str] | None = None
    share: dict[str, str] = field(default_factory=lambda: {"theirs": "x"})
    running: bool = True
    name: str = "web"
    copied: dict[str, str] = field(default_factory=dict)
    back: set[str] = field(default_factory=set)

    def situation(self) -> Situation:
        where = SHARE if self.target == "share" else FULL if self.local else EMPTY
        files = self.aside if self.aside is not None else self.local
        return Situation(
            target=where,
            aside=self.aside is not None,
            active=("web",) if self.running else (),
            to_start=() if self.running else ("web",),
            to_define=("web",) if self.name == "web" else (),
            to_define_back=("web",) if self.name == "web-kvm" else (),
            to_copy=len(set(files) - set(self.copied) - self.back),
            to_copy_back=len(self.copied),
            copies_left=len(self.back),
        )

    def do(self, step: Step, *, half: bool) -> None:
        """The step, or with `half` only what may be done when the worker dies in it."""
        match step:
            case Step.SHUT_DOWN:
                self.running = False
            case Step.DEFINE:
                self.name = "web-kvm"
            case Step.DEFINE_BACK:
                self.name = "web"
            case Step.ASIDE:
                self.aside, self.local = self.local, {}
            case Step.RESTORE:
                assert self.aside is not None
                self.local, self.aside = self.aside, None
            case Step.MOUNT:
                self.target = "share"
            case Step.UNMOUNT:
                self.target = "local"
            case Step.COPY:
                assert self.aside is not None and not (self.running and "web" not in self.copied)
                for name in list(self.aside)[: 1 if half else None]:
                    self.share[f"{name}-kvm"] = self.copied[name] = self.aside[name]
            case Step.START:
                self.running = True
                files, name = (self.share, "web-kvm") if self.target == "share" else (self.local, "web")
                assert name in files, "started without its image"
                files[name] = "v2"
            case Step.COPY_BACK:
                assert self.aside is not None and not self.running
                for name in list(self.copied)[: 1 if half else None]:
                    self.aside[name] = self.share[f"{name}-kvm"]
                    self.back.add(name)
                    del self.copied[name]
            case Step.CLEAR_SHARE:
                for name in sorted(self.back)[: 1 if half else None]:
                    del self.share[f"{name}-kvm"]
                    self.back.remove(name)

    def assert_whole(self, content: str) -> None:
        """The image's latest content is somewhere, and what was on the share before is still there."""
        assert self.share["theirs"] == "x"
        assert content in (*self.local.values(), *(self.aside or {}).values(), *self.share.values())


def run(world: World, *, going_back: bool, crashes: tuple[int, ...], most: int = 40) -> list[Step]:
    taken: list[Step] = []
    for number in range(most):
        due = next_step(world.situation(), going_back=going_back)
        assert isinstance(due, Step), due
        if due is Step.DONE:
            return taken
        taken.append(due)
        latest = "v2" if "v2" in (*world.local.values(), *(world.aside or {}).values(), *world.share.values()) else "v1"
        world.do(due, half=number in crashes)
        world.assert_whole(latest)
    raise AssertionError(f"no end: {taken}")


@pytest.mark.parametrize("crashes", [(), *itertools.combinations(range(8), 1), *itertools.combinations(range(8), 2)])
@pytest.mark.parametrize("turn_at", range(9))
def test_every_way_ends_and_loses_nothing(crashes: tuple[int, ...], turn_at: int) -> None:
    """Turned back after any step, with workers dying in any two of them: the images end where the VM expects them."""
    world = World()
    for number in range(turn_at):
        due = next_step(world.situation(), going_back=False)
        assert isinstance(due, Step)
        if due is Step.DONE:
            break
        world.do(due, half=number in crashes)
    written = "v2" if "v2" in world.share.values() else "v1"
    taken = run(world, going_back=True, crashes=crashes)
    assert set(taken) <= set(BACK)
    assert world.running and world.name == "web" and world.aside is None and world.target == "local"
    assert set(world.local) == {"web", "iso"} and world.local["iso"] == "v1"
    assert world.local["web"] in ("v2", written) and world.share == {"theirs": "x"}


def test_the_way_forward_is_the_one_that_the_page_shows() -> None:
    world = World()
    taken = run(world, going_back=False, crashes=())
    assert tuple(dict.fromkeys(taken)) == FORWARD
    assert world.share == {"theirs": "x", "web-kvm": "v2", "iso-kvm": "v1"} and world.aside == {
        "web": "v1",
        "iso": "v1",
    }
