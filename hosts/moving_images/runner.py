"""Takes a move from where it is to its end: look, ask what is next, do that one step, look again."""

import logging
import time
from collections.abc import Callable
from contextvars import ContextVar

from hosts import actions, audit, mounts, reach
from hosts.errors import HostError, Refused
from hosts.lease import Lease, abandoned, in_thread, new_owner
from hosts.models import Host, ImageMove, Mount, VirtualMachine
from hosts.mounts.check import look
from hosts.moving_images import copying, guests, looking, record, scripts
from hosts.moving_images.steps import Situation, Step, Stop, Target, next_step

log = logging.getLogger(__name__)
MOST_ATTEMPTS = 8
"""How often a turn may break by an error of the console's own before a person must look."""
MOST_STEPS = 40
"""A way has six or seven steps; more in one turn means that a step does not do what it says."""
QUICK_TIMEOUT_S = 30.0
PRESS_AGAIN_S = 20.0
"""A guest that boots does not hear its power button; so it is pressed again."""
POLL_S = 1.0
State = ImageMove.State

_acting: ContextVar[int] = ContextVar("acting", default=0)


def why_held(host: Host | None, vm: VirtualMachine | None) -> str:
    """For `holds`: a move that is under way holds its host's mounts and its VMs, but not from itself."""
    begun = ImageMove.objects.filter(state__in=(*ImageMove.DRIVEN, State.STOPPED), audit__isnull=False)
    for move in begun.exclude(pk=_acting.get()).select_related("host"):
        mine = {entry["uuid"] for entry in move.vms}
        if (host and host.pk == move.host_id) or (vm and str(vm.uuid) in mine):
            return f"images move from {move.target} on {move.host.name} onto a share (move #{move.pk})"
    return ""


def launch(pk: int) -> None:
    """Drive move `pk` in a thread of its own."""
    in_thread(f"image move {pk}", lambda: drive(pk))


def sweep() -> None:
    """Drive every move that nobody drives: its worker died, or its nudge was lost."""
    for pk in abandoned(ImageMove.objects.filter(state__in=ImageMove.DRIVEN), record.LEASE):
        launch(pk)


def drive(pk: int) -> None:
    """Take the move up; returns at once where somebody else drives it or it waits for a person."""
    move = record.claim(pk, owner=new_owner())
    if move is None:
        return
    acting = _acting.set(move.pk)
    beat = lambda: record.beat(move.pk, owner=move.owner)  # noqa: E731
    try:
        with Lease(f"image move {pk}", beat) as lease:
            _drive(move, lease.is_lost)
    except record.Overtaken:
        log.info("image move %s was taken over by another worker", pk)
    except HostError as error:
        _stop(move, error)
    except Exception as error:
        log.exception("image move %s", pk)
        if move.attempt >= MOST_ATTEMPTS:
            _stop(move, HostError("The console itself failed at this move.", raw=f"{type(error).__name__}: {error}"))
    finally:
        _acting.reset(acting)
        record.release(move)


def _drive(move: ImageMove, is_lost: Callable[[], bool]) -> None:
    if move.state == State.LOOKING:
        looking.make_plan(move, is_lost=is_lost)
        return
    turn = Turn(move, is_lost)
    for _ in range(MOST_STEPS):
        if turn.do_next():
            return
    raise HostError("The move does not come to an end.", hint="Look at its steps, then undo.")


def _stop(move: ImageMove, error: HostError) -> None:
    try:
        record.stop(move, error)
    except record.Overtaken:
        log.info("image move %s was taken over by another worker", move.pk)


class Turn:
    """One worker's turn with one move."""

    def __init__(self, move: ImageMove, is_lost: Callable[[], bool]) -> None:
        self.move, self.host = move, move.host
        self.watch = copying.Watch(move, is_lost)
        self.actor = audit.Actor(user=move.user, source="system")

    def do_next(self) -> bool:
        """Do the step that is due; True at the end of the way."""
        move = self.move
        fresh = ImageMove.objects.get(pk=move.pk)
        if fresh.owner != move.owner:
            raise record.Overtaken(str(move))
        move.going_back, move.state = fresh.going_back, fresh.state
        due = next_step(self.situation(), going_back=move.going_back)
        if isinstance(due, Stop):
            raise Refused(due.message, host=self.host.name, hint=due.hint)
        if due is Step.DONE:
            record.end_step(move)
            record.finish(move, State.UNDONE if move.going_back else State.MOVED)
            return True
        record.begin_step(move, due)
        try:
            self.acts[due](self)
        except copying.TurnedBack:
            record.end_step(move, "skipped")
        else:
            record.note(move, progress={})
            record.end_step(move)
        return False

    def situation(self) -> Situation:
        """Ask the host what is true now."""
        move, files = self.move, self.move.files
        there = look(self.host).at(move.target)
        ours = there is not None and there.source.rstrip("/") == move.source.rstrip("/")
        argv = scripts.argv(scripts.STATE, move.target, move.aside, "no" if there else "yes")
        said = reach.run(self.host, argv, timeout_s=QUICK_TIMEOUT_S).stdout.split()
        target = (Target.SHARE if ours else Target.OTHER) if there else Target(said[0])
        names = {vm["uuid"]: vm["name"] for vm in move.vms}
        with reach.open_own(self.host, timeout_s=QUICK_TIMEOUT_S) as connection:
            active = {
                one.uuid
                for one in connection.domain_names()
                if one.uuid in names and one.state not in ("shut off", "crashed")
            }
            changes = guests.renamed(move)
            old = guests.definitions(connection, uuids=names, folder=move.target, paths=changes.keys())
            new = guests.definitions(connection, uuids=names, folder=move.target, paths=changes.values())
        wanted = [vm for vm in move.vms if vm["was_active"] and vm["uuid"] not in active and not vm.get("left_off")]
        return Situation(
            target=target,
            aside="aside" in said[1:],
            active=tuple(names[uuid] for uuid in active),
            to_start=tuple(vm["name"] for vm in wanted),
            to_define=tuple(name for _, name in old),
            to_define_back=tuple(name for _, name in new),
            to_copy=files.filter(state="pending").count(),
            to_copy_back=files.filter(kind="file", state__in=("copied", "same")).count(),
            copies_left=copying.copies_left(move),
            found=there.source if there else "",
        )

    def shut_down(self) -> None:
        """Press the power button of each VM until all are off; refused where that was not agreed to."""
        move = self.move
        names = {vm["uuid"]: vm["name"] for vm in move.vms}
        limit = time.monotonic() + move.shutdown_limit_s
        pressed: dict[str, float] = {}
        while True:
            self.watch.check()
            running = [uuid for uuid in names if self._is_active(uuid)]
            if not running:
                return
            listed = ", ".join(names[uuid] for uuid in running)
            if not move.shut_down and not move.going_back:
                raise Refused(
                    f"{listed} runs on {self.host.name} and uses the images.",
                    host=self.host.name,
                    hint="Shut it down, or let the console do so, then go on.",
                )
            if time.monotonic() > limit:
                raise Refused(
                    f"{listed} did not shut down within {move.shutdown_limit_s} s.",
                    host=self.host.name,
                    hint="Shut it down from inside, or force it off on its page, then go on; or undo.",
                )
            record.begin_step(move, Step.SHUT_DOWN, f"Waiting for {listed}")
            for uuid in running:
                if time.monotonic() - pressed.get(uuid, 0) > PRESS_AGAIN_S or uuid not in pressed:
                    pressed[uuid] = time.monotonic()
                    self._press(uuid)
            time.sleep(POLL_S)

    def _press(self, uuid: str) -> None:
        row = VirtualMachine.objects.filter(uuid=uuid).first()
        if row is None:
            with reach.libvirt(self.host) as connection:
                connection.guest(uuid).shutdown()
        else:
            reason = f"Its images move (move #{self.move.pk})."
            actions.shutdown(vm=row, host=self.host, actor=self.actor, reason=reason)

    def _is_active(self, uuid: str) -> bool:
        with reach.libvirt(self.host) as connection:
            return any(
                one.uuid == uuid and one.state not in ("shut off", "crashed") for one in connection.domain_names()
            )

    def define(self) -> None:
        self._redefine(guests.renamed(self.move))

    def define_back(self) -> None:
        self._redefine({new: old for old, new in guests.renamed(self.move).items()})

    def _redefine(self, changes: dict[str, str]) -> None:
        with reach.open_own(self.host, timeout_s=QUICK_TIMEOUT_S) as connection:
            uuids = [vm["uuid"] for vm in self.move.vms]
            found = guests.definitions(connection, uuids=uuids, folder=self.move.target, paths=changes)
            for uuid, name in found:
                what = f"VM {name} on {self.host.name}"
                with audit.act(actor=self.actor, action="change paths of images", target=what, hosts=[self.host]):
                    guests.redefine(connection, uuid, changes)

    def aside(self) -> None:
        """Put the folder aside, as a whole and by one rename."""
        looking.take_in_changes(self.move)
        self._quick(scripts.ASIDE)

    def restore(self) -> None:
        self._quick(scripts.RESTORE)

    def _quick(self, script: str) -> None:
        move = self.move
        result = reach.run(
            self.host, scripts.argv(script, move.target, move.aside), timeout_s=QUICK_TIMEOUT_S + 25, check=False
        )
        if result.returncode == 0:
            return
        said, host = result.stderr.strip(), self.host.name
        words = {
            scripts.IN_USE: (
                f"Files in {move.target} on {host} are in use: {', '.join(said.splitlines())}.",
                "End that, then go on.",
            ),
            scripts.NOT_EMPTY: (f"New files lie in {move.target} on {host}.", "Move them elsewhere, then go on."),
            scripts.ASIDE_EXISTS: (
                f"{move.aside} and files in {move.target} are both there.",
                "Look at both, then go on.",
            ),
            scripts.MISSING: (f"The folder is not where it should be on {host}.", "Find out who moved it."),
        }
        message, hint = words.get(
            result.returncode,
            (f"The folder could not be renamed on {host}: {said}", "Nothing was lost; go on, or undo."),
        )
        raise Refused(message, host=host, hint=hint, raw=said)

    def mount(self) -> None:
        move = self.move
        mounts.mount(
            host=self.host,
            source=move.source,
            target=move.target,
            options=move.options,
            persist=move.persist,
            actor=self.actor,
            reason=f"Images move there (move #{move.pk}).",
        )

    def unmount(self) -> None:
        rows = {row.target: row for row in mounts.check_mounts(self.host)}
        row = rows.get(self.move.target) or Mount.objects.get(host=self.host, target=self.move.target)
        mounts.unmount(mount=row, forget_fstab=self.move.persist, allow_defined=True, actor=self.actor)

    def copy(self) -> None:
        copying.copy_all(self.move, self.watch)

    def copy_back(self) -> None:
        copying.copy_back(self.move, self.watch)

    def clear_share(self) -> None:
        copying.clear_share(self.move, self.watch)

    def start(self) -> None:
        """Start what ran before; one that can't be started is told and left to its owner, and does not stop the rest."""
        move, failed = self.move, []
        self._refresh_pools()
        for entry in move.vms:
            if not entry["was_active"] or entry.get("left_off") or self._is_active(entry["uuid"]):
                continue
            row = VirtualMachine.objects.filter(uuid=entry["uuid"]).first()
            try:
                if row is None:
                    raise Refused(f"{entry['name']} is not in the inventory.", hint="Start it on the host.")
                actions.start(
                    vm=row, host=self.host, actor=self.actor, reason=f"Its images have moved (move #{move.pk})."
                )
            except HostError as error:
                entry["left_off"] = f"{error} {error.hint}"
                failed.append(entry["name"])
                record.note(move, vms=move.vms)
        if failed:
            record.end_step(move, "warning", f"Not started: {', '.join(failed)}. See the list of VMs below.")

    def _refresh_pools(self) -> None:
        """Let libvirt look anew at pools over the mount point; one that does not answer holds up nothing."""
        try:
            with reach.open_own(self.host, timeout_s=QUICK_TIMEOUT_S) as connection:
                for pool in connection.pools():
                    if pool.active and (
                        pool.target == self.move.target or pool.target.startswith(f"{self.move.target}/")
                    ):
                        connection.refresh_pool(pool.name)
        except HostError as error:
            log.info("pools of %s were not refreshed: %s", self.host, error)

    acts: dict[Step, Callable[["Turn"], None]] = {
        Step.SHUT_DOWN: shut_down,
        Step.DEFINE: define,
        Step.ASIDE: aside,
        Step.MOUNT: mount,
        Step.COPY: copy,
        Step.START: start,
        Step.COPY_BACK: copy_back,
        Step.CLEAR_SHARE: clear_share,
        Step.UNMOUNT: unmount,
        Step.RESTORE: restore,
        Step.DEFINE_BACK: define_back,
    }
