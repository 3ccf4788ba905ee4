"""Same storage, proven: a file written at a path on each host is read on all the others; what was found is kept with its time."""

import secrets
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

from django.db.models import Q, QuerySet
from django.utils import timezone

from hosts import access, audit, jobs, live, reach
from hosts.errors import HostError, InvalidInput
from hosts.lease import in_thread
from hosts.models import AuditEvent, Host, Mount, SharingProof
from hosts.nfs import validate_target

AT_ONCE, MOST_HOSTS = 8, 64
PROBE_LIMIT_S, SSH_MARGIN_S = 10, 15.0
Outcome = SharingProof.Outcome

WRITE = """
path=$1 name=$2
[ -d "$path" ] || { echo "$path is no folder here" >&2; exit 1; }
printf '%s' "$name" >"$path/$name" || exit 1
# A full share may say so only when the client writes its cache back.
sync "$path/$name" || exit 1
stat -c %i -- "$path/$name"
"""
READ = """
path=$1; shift
[ -d "$path" ] || { echo "$path is no folder here" >&2; exit 1; }
for name do echo "$name $(cat "$path/$name" 2>/dev/null) $(stat -c %i "$path/$name" 2>/dev/null)"; done
"""
REMOVE = 'path=$1 name=$2; rm -f -- "$path/$name"'
# What a shell says of a refused write, as strerror(3) has it in the C locale.
SAYINGS = (
    ("Read-only file system", "it is read-only there", "Remount it with rw, and see that the server exports it with rw."),
    ("Permission denied", "root may not write there: the server squashes root (root_squash)",
     "Export it with no_root_squash to the hosts' addresses only: libvirt, which is root, gives images their owners."),
    ("No space left", "the share is full", "Make room on the share, or enlarge it."),
    ("Disk quota exceeded", "a quota on the share is used up", "Raise the quota on the server."),
    ("Stale file handle", "its file handle is stale: the export was taken back or made anew", "Unmount it there and mount it again."),
    ("Input/output error", "the server answers with an input/output error", "Look at the server's disks, and at soft in the options."),
)  # fmt: skip


def mount_points(host: Host, paths: Iterable[str]) -> dict[str, str]:
    """The mount point of `host` that each path lies in, as the rows know; the path itself where there is none."""
    targets = Mount.objects.filter(host=host).values_list("target", flat=True)
    above = {path: [target for target in targets if PurePosixPath(path).is_relative_to(target)] for path in paths}
    return {path: max(found, key=len, default=path) for path, found in above.items()}


def record(*, path: str, writer: Host, reader: Host, outcome: str, detail: str = "") -> None:
    """Keep what a probe has shown, in place of what was known of these two."""
    values = {"outcome": outcome, "detail": detail, "at": timezone.now()}
    SharingProof.objects.update_or_create(path=path, writer=writer, reader=reader, defaults=values)


def proofs_of(host: Host, user: access.AnyUser, path: str | None = None) -> QuerySet[SharingProof]:
    """What is known of `host` and those others that `user` may see, at `path` (at any)."""
    seen = access.hosts_for(user)
    pairs = SharingProof.objects.filter(Q(writer=host, reader__in=seen) | Q(reader=host, writer__in=seen))
    return (pairs if path is None else pairs.filter(path=path)).select_related("writer", "reader")


def last_same(path: str, writer: Host, reader: Host) -> SharingProof | None:
    """The last proof that both see the same storage at the mount point `path`, if it was the last word on it."""
    return SharingProof.objects.filter(path=path, writer=writer, reader=reader, outcome=Outcome.SAME).first()


def ask(*, path: str, hosts: Sequence[Host], actor: audit.Actor, reason: str = "") -> AuditEvent:
    """Prove `path` between all of `hosts`, in the background. Raises InvalidInput; then nothing began."""
    path = validate_target(path)
    if not 2 <= len(hosts) <= MOST_HOSTS:
        raise InvalidInput(f"Choose 2 to {MOST_HOSTS} hosts.", field="hosts", hint="A host group chooses them.")
    event = audit.begin(actor=actor, action="prove same storage", target=path, hosts=[*hosts], reason=reason)
    jobs.nudge("hosts.prove_sharing", path, [host.pk for host in hosts], event.pk)
    return event


def launch(path: str, hosts: Sequence[int], event: int) -> None:
    """Prove in a thread of its own. If this process dies, what was known stays."""

    def work() -> None:
        prove(path=path, hosts=list(Host.objects.filter(pk__in=hosts)), event=AuditEvent.objects.get(pk=event))

    in_thread(f"prove {path}", work)


def prove(*, path: str, hosts: Sequence[Host], event: AuditEvent) -> list[SharingProof]:
    """Write on every host, then read on every host, then remove; every step on all hosts at once, each with a time limit."""
    token = secrets.token_hex(8)
    names = {host.pk: f".kvmconsole-probe-{token}-{host.pk}" for host in hosts}
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="prove") as workers:
        written = dict(zip(names, workers.map(lambda host: _write(host, path, names[host.pk]), hosts), strict=True))
        read = dict(zip(names, workers.map(lambda host: _read(host, path, list(names.values())), hosts), strict=True))
        list(workers.map(lambda host: _run(host, REMOVE, path, names[host.pk]), hosts))
    now = timezone.now()
    found = [
        SharingProof(path=path, writer=writer, reader=reader, outcome=outcome, detail=detail, at=now)
        for writer in hosts
        for reader in hosts
        if writer != reader
        for outcome, detail in [_judge(writer, reader, names[writer.pk], written[writer.pk], read[reader.pk])]
    ]
    SharingProof.objects.bulk_create(
        found,
        update_conflicts=True,
        unique_fields=["path", "writer", "reader"],
        update_fields=["outcome", "detail", "at"],
    )
    live.publish("storage", hosts=[host.pk for host in hosts])
    proofs = list(SharingProof.objects.filter(path=path, writer__in=hosts, reader__in=hosts))
    same = len([proof for proof in proofs if proof.outcome == Outcome.SAME])
    audit.close(event, audit.Outcome.SUCCEEDED, f"{same} of {len(proofs)} pairs see the same storage")
    return proofs


Answer = tuple[str, str]
"""What a host said, and what went wrong in words; one of the two is empty."""


def _run(host: Host, script: str, path: str, *names: str) -> Answer:
    argv = ["timeout", "-s", "KILL", str(PROBE_LIMIT_S), "sh", "-c", script, "kvmconsole", path, *names]
    try:
        done = reach.run(host, argv, timeout_s=PROBE_LIMIT_S + SSH_MARGIN_S, check=False)
    except HostError as error:
        return "", str(error)
    if done.returncode == 137:
        return "", f"{path} gave no answer on {host.name} within {PROBE_LIMIT_S} s"
    return (done.stdout, "") if done.returncode == 0 else ("", in_words(done.stderr, path=path, host=host.name))


def _write(host: Host, path: str, name: str) -> Answer:
    return _run(host, WRITE, path, name)


def _read(host: Host, path: str, names: list[str]) -> Answer:
    return _run(host, READ, path, *names)


def in_words(stderr: str, *, path: str, host: str) -> str:
    """Why a probe file could not be written, with the fix."""
    for saying, what, fix in SAYINGS:
        if saying in stderr:
            return f"Nothing can be written to {path} on {host}: {what}. {fix}"
    said = (stderr.strip().splitlines() or ["no reason given"])[-1]
    return f"Nothing can be written to {path} on {host}: {said}"


def _judge(writer: Host, reader: Host, name: str, written: Answer, read: Answer) -> tuple[str, str]:
    if written[1] or read[1]:
        return Outcome.UNPROVEN, written[1] or read[1]
    inode = written[0].strip()
    found = {words[0]: words[1:] for line in read[0].splitlines() if (words := line.split())}
    seen = found.get(name, [])
    if not seen or seen[0] != name:
        return Outcome.APART, f"A file written on {writer.name} does not appear on {reader.name}."
    if seen[1:] != [inode]:
        return Outcome.COPY, f"The file appears on {reader.name} under another number: does something copy files?"
    return Outcome.SAME, ""
