"""Everything that a bug report about one migration needs, as one zip: no secrets, and what could not be had is said."""

import csv
import io
import json
import tomllib
import zipfile
from collections.abc import Iterator

from django.conf import settings
from django.utils import timezone
from django.utils.text import slugify

from hosts.models import Host
from migrations_app import host_logs
from migrations_app.diagnosis import window_of
from migrations_app.explain import scrubbed
from migrations_app.models import Migration
from migrations_app.snapshot import snapshot

SAMPLE_COLUMNS = (
    "at_ms",
    "remaining_bytes",
    "transferred_bytes",
    "rate_bytes",
    "dirty_pages_per_s",
    "iteration",
    "throttle_percent",
    "disk_remaining_bytes",
)


def file_name(migration: Migration) -> str:
    return f"migration-{migration.pk}-{slugify(migration.vm_name) or 'vm'}.zip"


def build(migration: Migration) -> bytes:
    """The zip of `migration`. Both hosts are asked for their logs, with a time limit; one that is silent is said to be."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in _files(migration):
            archive.writestr(name, text)
    return made.getvalue()


def _files(migration: Migration) -> Iterator[tuple[str, str]]:
    said = snapshot(migration)
    yield "README.txt", _read_me(migration)
    yield "migration.json", json.dumps(said, indent=2, ensure_ascii=False)
    yield "command.txt", migration.command + "\n"
    yield "options.json", json.dumps(migration.options, indent=2)
    yield "preflight.json", json.dumps(migration.preflight, indent=2, ensure_ascii=False)
    yield "samples.csv", _csv(SAMPLE_COLUMNS, migration.samples.values_list(*SAMPLE_COLUMNS))
    lines = [(line["at"], line["kind"], line["text"], line["reason"]) for line in said["timeline"]]
    yield "timeline.csv", _csv(("at", "kind", "text", "reason"), lines)
    yield "explanation.json", json.dumps(migration.explanation, indent=2, ensure_ascii=False)
    for name, xml in (
        ("before-at-source-live.xml", migration.before.get("live_xml", "")),
        ("before-at-source-definition.xml", migration.source_xml),
        ("after-at-destination-live.xml", migration.live_xml),
    ):
        if xml:
            yield name, scrubbed(xml)
    yield from _logs(migration)


def _logs(migration: Migration) -> Iterator[tuple[str, str]]:
    for log in host_logs.of_both(migration, *window_of(migration)):
        folder = f"logs/{log.role}-{slugify(log.host)}"
        if log.error:
            yield f"{folder}-not-read.txt", log.error + "\n"
            continue
        yield f"{folder}-libvirtd.log", "\n".join(log.libvirtd) + "\n"
        yield f"{folder}-qemu.log", "\n".join(log.qemu) + "\n"


def _csv(columns: tuple[str, ...], rows: object) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)  # type: ignore[arg-type]
    return text.getvalue()


def _read_me(migration: Migration) -> str:
    lines = [
        str(migration),
        f"state {migration.state}, origin {migration.origin}, asked for by {migration.username}",
        f"created {migration.created.isoformat()}, finished {migration.finished.isoformat() if migration.finished else '-'}",
        f"error: {migration.error or '-'}",
        "",
        f"kvmconsole {_own_version()}",
        _versions("source", migration.source_name, migration.source),
        _versions("destination", migration.destination_name, migration.destination),
        "",
        f"made {timezone.now().isoformat()}; passwords are taken out, host and VM names are not",
    ]
    return "\n".join(lines) + "\n"


def _own_version() -> str:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def _versions(role: str, name: str, host: Host | None) -> str:
    if host is None:
        return f"{role} {name or 'not known'}: not in the console"
    return (
        f"{role} {name}: libvirt {host.libvirt_version or '?'}, QEMU {host.hypervisor_version or '?'}, {host.cpu_model}"
    )
