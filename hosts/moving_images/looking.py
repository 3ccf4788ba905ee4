"""The plan: what lies at the mount point, who uses it, what the share has under the same names, and what speaks against it."""

import posixpath
from typing import Any

from django.db import transaction

from hosts import mounts, reach
from hosts.errors import CommandFailed, Refused
from hosts.models import ImageMove, ImageMoveFile
from hosts.mounts.check import look
from hosts.mounts.keeping import require_agrees
from hosts.mounts.knocking import why_mount_failed
from hosts.moving_images import facts, guests, record, scripts
from hosts.nfs import NfsSource, parse_options

MOUNT_LIMIT_S = 30
LIST_TIMEOUT_S = 60.0
SHARE_TIMEOUT_S = 120.0
SILENCE_S = 60.0
SPARE_BYTES = 16 * 2**20
"""What the share must have free beyond the files: for its own folders and tables."""


def folder_of_look(move: ImageMove) -> str:
    """Where the share is mounted for the look: a folder that nothing else knows."""
    return f"/run/kvmconsole-look-{move.token}"


def entries_at(move: ImageMove, folder: str) -> list[facts.Entry]:
    result = reach.run(move.host, scripts.argv(scripts.LIST, folder), timeout_s=LIST_TIMEOUT_S, check=False)
    if result.returncode:
        raise CommandFailed(["look into", folder], result.returncode, result.stderr, host=move.host.name)
    return [entry for entry in facts.parse_list(result.stdout) if entry.path != "lost+found"]


def make_plan(move: ImageMove, *, is_lost: Any) -> None:
    """Fill in files, VMs, blockers and warnings. Changes nothing on the host, but a probe file on the share for a moment."""
    host = move.host
    _require_place(move)
    entries = entries_at(move, move.target)
    blockers, warnings = _of_entries(move, entries)
    images = guests.chains(host, [f"{move.target}/{one.path}" for one in entries if one.kind == "file"])
    using = guests.users(host, folder=move.target, images=images)
    try:
        share = _look_at_share(move, entries)
        verdicts = _compare(move, entries, share, is_lost)
    finally:
        reach.run(host, scripts.argv(scripts.LEAVE_SHARE, folder_of_look(move)), timeout_s=40, check=False)
    if share.refusal:
        blockers.append(f"{host.name} can't write to {move.source}: {share.refusal}")
    elsewhere = guests.used_elsewhere(move)
    written = {path.removeprefix(f"{move.target}/") for user in using for path in user.written}
    rows = _rows(move, entries, images, share, verdicts, written & set(elsewhere))
    blockers += _of_folders(rows, share)
    needed = sum(row.allocated_bytes for row in rows if row.kind == "file" and row.on_share != "same")
    if needed + SPARE_BYTES > share.available_bytes:
        blockers.append(
            f"The share has {share.available_bytes // 2**20} MiB free; the files need {needed // 2**20} MiB, "
            f"and {SPARE_BYTES // 2**20} MiB to spare."
        )
    for user in using:
        if user.active and not user.persistent:
            blockers.append(f"{user.name} is transient: it would be gone after its shutdown. Define it first.")
    held = _holders(move, using)
    if held:
        blockers.append(f"Other programs hold files there: {held}. End them first.")
    found = {
        "blockers": blockers,
        "warnings": warnings,
        "needed_bytes": needed,
        "available_bytes": share.available_bytes,
        "elsewhere": {path: who for path, who in elsewhere.items() if path in {row.path for row in rows}},
    }
    with transaction.atomic():
        move.files.all().delete()
        ImageMoveFile.objects.bulk_create(rows)
        vms = [_vm(user, move.target) for user in using]
        record.turn(move, ImageMove.State.PLANNED, found=found, vms=vms, error="", hint="", raw_error="", progress={})


def _vm(user: guests.User, folder: str) -> dict[str, Any]:
    return {
        "uuid": user.uuid,
        "name": user.name,
        "was_active": user.active,
        "managed_save": user.managed_save,
        "paths": sorted(path.removeprefix(f"{folder}/") for path in user.paths | user.volumes),
        "volumes": sorted(path.removeprefix(f"{folder}/") for path in user.volumes),
        "chain": sorted(path.removeprefix(f"{folder}/") for path in user.chain),
    }


def _require_place(move: ImageMove) -> None:
    view = look(move.host)
    there = view.at(move.target)
    if there:
        raise Refused(f"{there.source} is mounted at {move.target} on {move.host.name} already.", host=move.host.name)
    below = [fact.target for fact in view.mounts if facts.is_below(fact.target, move.target)]
    if below:
        raise Refused(
            f"{', '.join(below)} is mounted below {move.target} on {move.host.name}.",
            host=move.host.name,
            hint="Unmount that first: a folder with a mount in it is not moved.",
        )
    require_agrees(move.host, view, move.target, NfsSource.parse(move.source))


def _of_entries(move: ImageMove, entries: list[facts.Entry]) -> tuple[list[str], list[str]]:
    blockers, warnings = [], []
    if not entries:
        raise Refused(
            f"{move.target} on {move.host.name} is empty: nothing would be hidden.", hint="Mount the share there."
        )
    if len(entries) > scripts.MOST_ENTRIES:
        blockers.append(f"There are more than {scripts.MOST_ENTRIES} files and folders: move these by hand.")
    odd = [entry.path for entry in entries if entry.kind == "other"]
    if odd:
        blockers.append(f"Neither file, folder nor link: {', '.join(map(repr, odd[:5]))}. Take it away first.")
    for entry in entries:
        if any(character < " " or "\ud800" <= character <= "\udfff" for character in entry.path):
            blockers.append(f"A name that can't be kept: {entry.path!a}. Rename it first.")
    far = [
        entry.path
        for entry in entries
        if entry.kind == "link" and entry.link.startswith("/") and not facts.is_below(entry.link, move.target)
    ]
    if far:
        warnings.append(f"Links lead out of the folder and stay as they are: {', '.join(map(repr, far[:5]))}.")
    return blockers, warnings


def _look_at_share(move: ImageMove, entries: list[facts.Entry]) -> facts.Share:
    options = move.options or mounts.DEFAULT_OPTIONS
    now = options if "retry" in parse_options(options) else f"{options},retry=0"
    argv = scripts.argv(scripts.LOOK_AT_SHARE, str(MOUNT_LIMIT_S), move.source, now, folder_of_look(move))
    names = "".join(f"{entry.path}\0" for entry in entries)
    result = reach.run(move.host, argv, timeout_s=SHARE_TIMEOUT_S, check=False, input=names)
    if result.returncode:
        raise why_mount_failed(
            returncode=result.returncode,
            stderr=result.stderr,
            host=move.host,
            source=NfsSource.parse(move.source),
            options=options,
            limit_s=MOUNT_LIMIT_S,
        )
    return facts.parse_share(result.stdout)


def _compare(move: ImageMove, entries: list[facts.Entry], share: facts.Share, is_lost: Any) -> dict[str, str]:
    """Same or other, for each name that is taken on the share; files of one size are read on both sides."""
    verdicts = {}
    for entry in entries:
        there = share.taken.get(entry.path)
        if there is None:
            continue
        if entry.kind != there.kind or entry.kind == "other":
            verdicts[entry.path] = "other"
        elif entry.kind == "folder":
            verdicts[entry.path] = "same"
        elif entry.kind == "link":
            verdicts[entry.path] = "same" if entry.link == there.said else "other"
        elif str(entry.size_bytes) != there.said:
            verdicts[entry.path] = "other"
        else:
            verdicts[entry.path] = _compare_files(move, entry, is_lost)
    return verdicts


def _compare_files(move: ImageMove, entry: facts.Entry, is_lost: Any) -> str:
    said: list[str] = []

    def on_line(line: str) -> None:
        if is_lost():
            raise record.Overtaken(str(move))
        said.append(line)
        del said[:-1]

    paths = (f"{move.target}/{entry.path}", f"{folder_of_look(move)}/{entry.path}")
    record.note(move, progress={"file": entry.path})
    result = reach.stream(
        move.host, scripts.argv(scripts.COMPARE, move.token, *paths), silence_s=SILENCE_S, on_line=on_line
    )
    if result.returncode or said not in (["same"], ["other"]):
        raise CommandFailed(["compare", entry.path], result.returncode, result.stderr, host=move.host.name)
    return said[0]


def _rows(
    move: Any, entries: Any, images: Any, share: facts.Share, verdicts: Any, both_write: set[str]
) -> list[ImageMoveFile]:
    taken = set(share.taken) | {entry.path for entry in entries}
    rows = []
    for position, entry in enumerate(entries):
        image = images.get(f"{move.target}/{entry.path}")
        on_share = verdicts.get(entry.path, "")
        is_image = facts.is_image(entry, image)
        if on_share == "same" and entry.kind == "file" and entry.path in both_write:
            on_share = "in use"
        new_name = ""
        if on_share in ("other", "in use") and entry.kind in ("file", "link"):
            new_name = facts.free_name(entry.path, move.host.name, taken)
            taken.add(new_name)
        rows.append(
            ImageMoveFile(
                move=move,
                position=position,
                path=entry.path.encode(errors="replace").decode(),
                kind=entry.kind,
                link=entry.link.encode(errors="replace").decode(),
                size_bytes=entry.size_bytes,
                allocated_bytes=entry.allocated_bytes if entry.kind == "file" else 0,
                mtime=entry.mtime,
                is_image=is_image,
                backing=posixpath.normpath(image.chain[0]) if image and image.chain else "",
                on_share=on_share,
                new_name=new_name,
            )
        )
    return rows


def _of_folders(rows: list[ImageMoveFile], share: facts.Share) -> list[str]:
    return [
        f"{row.path!r} is a folder here and something else on the share. Rename one of them first."
        for row in rows
        if row.kind == "folder" and row.on_share == "other"
    ]


def _holders(move: ImageMove, using: list[guests.User]) -> str:
    """Programs that hold files there while no VM that uses them runs: libvirt knows nothing of those."""
    if any(user.active for user in using):
        return ""
    result = reach.run(move.host, scripts.argv(scripts.WHO_HOLDS, move.target), timeout_s=LIST_TIMEOUT_S, check=False)
    return ", ".join(result.stdout.split("\n")).strip(", ")


def why_not(move: ImageMove) -> list[str]:
    """What the chosen names make impossible, besides what the look found."""
    found = []
    renamed = {row.path: row for row in move.files.exclude(new_name="")}
    below = {row.backing: row for row in move.files.exclude(backing="")}
    for path, row in renamed.items():
        above = below.get(f"{move.target}/{path}")
        if above:
            found.append(
                f"{row.path!r} has another content on the share and can't get another name: {above.path!r} is based on it."
            )
        for vm in move.vms:
            if path in vm["paths"] and vm["managed_save"]:
                found.append(f"{vm['name']} has a saved state that names {path!r}. Start it and shut it down first.")
            if path in vm["volumes"]:
                found.append(f"{vm['name']} names {path!r} as a volume of a pool; give it the path first (virsh edit).")
    return found


def require_possible(move: ImageMove) -> None:
    """Raises Refused with what speaks against it."""
    blockers = [*move.found.get("blockers", []), *why_not(move)]
    if blockers:
        raise Refused(
            blockers[0], host=move.host.name, hint="Put that right, then look again.", raw="\n".join(blockers[1:])
        )


def take_in_changes(move: ImageMove) -> None:
    """Note sizes and times as they are now that no VM writes any more. Raises Refused where other files lie there than planned."""
    now = {one.path: one for one in entries_at(move, move.target)}
    rows = {row.path: row for row in move.files.all()}
    odd = sorted(set(now) ^ set(rows)) + [path for path in set(now) & set(rows) if now[path].kind != rows[path].kind]
    changed = [
        path for path, row in rows.items() if path not in odd and row.kind == "file" and row.mtime != now[path].mtime
    ]
    odd += [path for path in changed if rows[path].on_share == "same"]
    if odd:
        raise Refused(
            f"{', '.join(map(repr, odd[:5]))} at {move.target} on {move.host.name} changed since the plan was made.",
            host=move.host.name,
            hint="Nothing was moved yet. Undo, which starts the VMs again, and make a new plan.",
        )
    for path in changed:
        row, entry = rows[path], now[path]
        row.size_bytes, row.allocated_bytes, row.mtime = entry.size_bytes, entry.allocated_bytes, entry.mtime
        row.save(update_fields=["size_bytes", "allocated_bytes", "mtime"])
