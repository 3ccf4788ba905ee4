"""Checks of the guest's disks on both hosts. Pure."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from hosts.domain_xml import Domain
from hosts.mount_options import differences, effective
from migrations_app.plan import Options
from migrations_app.preflight.copies import copies, folder_of, images, why_not
from migrations_app.preflight.copies import needed as needed_images
from migrations_app.preflight.facts import Check, Facts, Folder

SHARED_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "gfs2", "ocfs2", "afs", "smb3", "cifs", "ceph", "fuse.glusterfs", "gpfs", "beegfs", "fuse.quobyte"}
)
"""What libvirt takes for shared: virFileIsSharedFS in libvirt's src/util/virfile.c."""
SAFE_CACHE_MODES = frozenset({"none", "directsync"})
"""qemuMigrationSrcIsSafe in libvirt's src/qemu/qemu_migration.c."""
NFS = frozenset({"nfs", "nfs4"})


def of_storage(facts: Facts, domain: Domain, options: Options) -> Iterator[Check]:
    yield from _folders(facts, domain, options)
    yield from _mounts(facts)
    yield from _owners(facts)
    yield from _pools(facts, domain)
    yield from _security(facts)
    yield from _cache(facts, domain, options)


def _folders(facts: Facts, domain: Domain, options: Options) -> Iterator[Check]:
    copied = copies(facts, options)
    needed = needed_images(domain, copied)
    folders = [folder for folder in facts.folders if not copied or folder.path in map(folder_of, needed)]
    missing = [path for path in facts.missing_files if not copied or path in needed]
    apart = [folder for folder in folders if not folder.same]
    for folder in apart:
        message = f"{folder.path} is not the same storage on both hosts: {folder.problem}"
        message += f". Last proven the same at {folder.last_same}." if folder.last_same else ""
        fix = f"Mount on {facts.destination} what {facts.source} has there ({folder.source_mount or 'nothing is mounted'})"
        act, arg = ("mount", folder.path) if _is_mountable(folder) else ("", "")
        if _is_copyable(folder, facts, domain):
            fix += ", or copy the disks along"
            act = act or "copy_disks"
        yield Check("storage", "Shared storage", "blocker", message, f"{fix}.", act, arg)
    drives = {disk.source: disk.target for disk in domain.disks if disk.device in ("cdrom", "floppy")}
    for path in missing:
        message = f"{facts.destination} does not see {path}."
        if path in drives:
            fix = "Put the medium on shared storage, or eject it."
            yield Check("files", "Disk images", "blocker", message, fix, "eject", drives[path])
        else:
            yield Check("files", "Disk images", "blocker", message, "Mount the share there, at the same path.")
    if not folders or apart or missing:
        return
    paths = ", ".join(folder.path for folder in folders)
    if any(folder.copied for folder in folders):
        message = f"A file written to {paths} on {facts.source} appears on {facts.destination} under another number: is it a copy?"
        fix = "Make sure that both hosts mount the same file system and that nothing copies files between two."
        yield Check("storage", "Shared storage", "warning", message, fix)
    else:
        message = f"A file written to {paths} on {facts.source} was read on {facts.destination}."
        yield Check("storage", "Shared storage", "ok", message)


def _mounts(facts: Facts) -> Iterator[Check]:
    """How the share is mounted on both hosts: read-only at the destination, or with other options."""
    for folder in facts.folders:
        told = folder.source_options and folder.destination_options
        if not (folder.same and told and folder.source_kind in NFS and folder.destination_kind in NFS):
            continue
        mine = effective(folder.source_options, fstype=folder.source_kind)
        theirs = effective(folder.destination_options, fstype=folder.destination_kind)
        differing = {found.name: found for found in differences(mine, theirs)}
        if differing.pop("access", None) and theirs["access"] == "read-only":
            message = (
                f"The share of {folder.path} is mounted read-only on {facts.destination}: the guest could not write."
            )
            yield Check(
                "mounts", "Mount options", "blocker", message, f"Remount it there with rw, as on {facts.source}."
            )
        if differing:
            words = "; ".join(f"{found.title} {found.mine} here, {found.theirs} there" for found in differing.values())
            message = f"The share of {folder.path} is mounted otherwise on {facts.destination}: {words}."
            fix = f"{next(iter(differing.values())).why} Remount it on one of the two hosts with the other's options."
            yield Check("mounts", "Mount options", "warning", message, fix)
        if mine == theirs:
            message = f"NFS {mine['vers']}, {mine['failure']}, the same options on both hosts."
            yield Check("mounts", "Mount options", "ok", message)


def _is_copyable(folder: Folder, facts: Facts, domain: Domain) -> bool:
    """All that lies in it are disks that can be copied along."""
    found = [disk for disk in domain.disks if folder.path in map(folder_of, images(disk))]
    return folder.apart and all(folder_of(disk.source) == folder.path and not why_not(disk, facts) for disk in found)


def _is_mountable(folder: Folder) -> bool:
    """The source has an NFS share there, and at the destination that share is what is missing."""
    return folder.source_kind in NFS and ":/" in folder.source_mount and folder.destination_mount != folder.source_mount


def _owners(facts: Facts) -> Iterator[Check]:
    """Whether QEMU's user at the destination may open the images: root_squash, another uid, a missing group."""
    look = facts.destination_look
    if look is None:
        return
    closed = [path for path, answer in look.images.items() if answer.startswith("closed")]
    if not closed:
        if look.images and not facts.missing_files:
            message = f"QEMU's user on {facts.destination} ({look.qemu_user}) may read and write the images."
            yield Check("owners", "Owner and mode", "ok", message)
        return
    told = "; ".join(f"{path} ({look.images[path].removeprefix('closed ')})" for path in closed)
    message = f"QEMU's user on {facts.destination} ({look.qemu_user}) may not read and write {told}."
    fix = "Give both hosts the same user and group id for it, and check root_squash and the export's options."
    # With dynamic_ownership libvirt changes the owner as it starts QEMU; that fails where root is squashed.
    level = "blocker" if look.conf.get("dynamic_ownership") == "0" else "warning"
    yield Check("owners", "Owner and mode", level, message, fix)  # type: ignore[arg-type]


def _pools(facts: Facts, domain: Domain) -> Iterator[Check]:
    wanted = {disk.source_pool for disk in domain.disks if disk.source_pool}
    missing = sorted(wanted - facts.pools)
    if missing:
        message = f"{facts.destination} has no active storage pool {', '.join(missing)}."
        fix = f"Define it there under the same name, and start it: virsh pool-start {missing[0]}."
        yield Check("pools", "Storage pools", "blocker", message, fix)
    elif wanted:
        yield Check("pools", "Storage pools", "ok", f"{', '.join(sorted(wanted))} is active on {facts.destination}.")


def _security(facts: Facts) -> Iterator[Check]:
    look = facts.destination_look
    on_nfs = any(folder.destination_kind in NFS for folder in facts.folders)
    if look is None or look.conf.get("security_driver") == "none":
        return
    if look.selinux == "Enforcing" and on_nfs and look.virt_use_nfs.endswith("off"):
        message = f"SELinux on {facts.destination} keeps QEMU from NFS: virt_use_nfs is off."
        fix = f"On {facts.destination}: setsebool -P virt_use_nfs on."
        yield Check("selinux", "SELinux", "blocker", message, fix)
    source = facts.source_look
    if source and source.has_apparmor != look.has_apparmor and not look.selinux:
        has, lacks = (facts.source, facts.destination) if source.has_apparmor else (facts.destination, facts.source)
        message = f"{has} confines QEMU by AppArmor, {lacks} does not."
        yield Check("apparmor", "AppArmor", "warning", message, "Give both hosts the same security driver.")


def _cache(facts: Facts, domain: Domain, options: Options) -> Iterator[Check]:
    unsafe = list(_unsafe_disks(facts, domain, {copy.target for copy in copies(facts, options)}))
    if unsafe and not options.unsafe:
        message = f"libvirt will call this unsafe: {'; '.join(unsafe)}."
        proven = bool(facts.folders) and all(folder.same and not folder.copied for folder in facts.folders)
        fix = "Set the disk's cache to none, or tick Unsafe: libvirt's own check is then skipped. "
        fix += (
            "The probe file has proven that both hosts see the same files."
            if proven
            else "That is right only where both hosts see the same data; else the disk is damaged."
        )
        yield Check("cache", "Cache mode", "blocker", message, fix, "unsafe" if proven else "")
    elif unsafe:
        message = f"Unsafe was ticked; libvirt's own check is skipped: {'; '.join(unsafe)}."
        yield Check("cache", "Cache mode", "warning", message)
    elif domain.disks:
        yield Check("cache", "Cache mode", "ok", "Shared file system and a safe cache mode.")


def _unsafe_disks(facts: Facts, domain: Domain, copied: set[str]) -> Iterator[str]:
    """libvirt calls those safe that it copies itself."""
    kinds = {folder.path: folder.source_kind for folder in facts.folders}
    for disk in domain.disks:
        if disk.type != "file" or not disk.source or disk.readonly or disk.shareable or disk.target in copied:
            continue
        kind = kinds.get(str(PurePosixPath(disk.source).parent), "")
        if kind and kind not in SHARED_FILE_SYSTEMS:
            yield f"{disk.target} lies on {kind}, which libvirt does not know as shared"
        elif disk.cache not in SAFE_CACHE_MODES:
            yield f"{disk.target} has cache mode {disk.cache or 'default'}"
