"""The zip for a bug report: all of it is there, no secret is, and who sees the migration may have it."""

import io
import json
import zipfile
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from migrations_app import record
from migrations_app.models import Migration, MigrationSample
from migrations_app.states import State
from tests import build

pytestmark = pytest.mark.django_db
XML = "<domain><name>web</name><graphics type='vnc' passwd='hunter2'/></domain>"


@pytest.fixture
def failed() -> Migration:
    """A failed one whose hosts are closed ports of this machine: their logs can't be had."""
    h1 = build.host("h1", ssh="root@127.0.0.1:1", libvirt_version="9.0.0", hypervisor_version="7.2.0")
    h2 = build.host("h2", ssh="root@127.0.0.1:1")
    row = build.migration(
        build.vm(on=h1),
        to=h2,
        state=State.FAILED,
        launched=timezone.now() - timedelta(seconds=9),
        live_xml=XML,
        source_xml=XML,
        before={"live_xml": XML, "definition_xml": XML, "autostart": False, "snapshots": []},
        preflight=[{"name": "memory", "level": "ok", "message": "", "fix": "", "title": "Memory"}],
    )
    MigrationSample.objects.create(
        migration=row, at_ms=200, remaining_bytes=7, transferred_bytes=8, rate_bytes=9, dirty_pages_per_s=1, iteration=1
    )
    record.tell(row, "Something happened", reason="because")
    return row


def files_of(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_the_zip_holds_all_and_no_secret(failed: Migration) -> None:
    client = Client()
    client.force_login(build.user("vera", role="viewer"))
    answer = client.get(reverse("migrations:report", args=[failed.pk]))
    assert answer["Content-Type"] == "application/zip"
    assert f'filename="migration-{failed.pk}-web.zip"' in answer["Content-Disposition"]
    files = files_of(answer.content)
    assert {"README.txt", "migration.json", "command.txt", "options.json", "preflight.json", "samples.csv"} < set(files)
    assert {"timeline.csv", "explanation.json", "after-at-destination-live.xml"} < set(files)
    assert "libvirt 9.0.0, QEMU 7.2.0" in files["README.txt"] and "kvmconsole 0." in files["README.txt"]
    assert json.loads(files["migration.json"])["id"] == failed.pk
    assert files["samples.csv"].splitlines()[1].startswith("200,7,8,9")
    assert "Something happened" in files["timeline.csv"]
    assert "could not be read" in files["logs/source-h1-not-read.txt"]
    assert "hunter2" not in "".join(files.values())


def test_the_api_gives_the_same(failed: Migration) -> None:
    client = Client()
    client.force_login(build.user("vera", role="viewer"))
    answer = client.get(reverse("migrations-api:migration-report", args=[failed.pk]))
    assert answer.status_code == 200
    assert "README.txt" in files_of(answer.content)


def test_the_page_shows_cause_evidence_and_fix_as_text(failed: Migration) -> None:
    hosts = [
        {"name": "h1", "role": "source", "libvirtd": ["error : <script>x</script>"], "qemu": [], "error": ""},
        {"name": "h2", "role": "destination", "libvirtd": [], "qemu": [], "error": "Its logs could not be read"},
    ]
    failed.explanation = {
        "state": "failed",
        "name": "cpu",
        "cause": "The CPU",
        "fix": "Choose",
        "because": "b",
        "raw": "r",
    }
    failed.explanation["hosts"] = hosts
    failed.save()
    client = Client()
    client.force_login(build.user("vera", role="viewer"))
    page = client.get(failed.get_absolute_url()).content.decode()
    assert "Why it failed" in page and "Its logs could not be read" in page and "<b>What to do:</b> Choose" in page
    assert "<script>x" not in page and "error : &lt;script&gt;x" in page


def test_an_external_one_is_told_as_such_on_page_and_list(failed: Migration) -> None:
    Migration.objects.filter(pk=failed.pk).update(
        origin="external", destination=None, destination_name="", state="completed"
    )
    client = Client()
    client.force_login(build.user("vera", role="viewer"))
    page = client.get(failed.get_absolute_url()).content.decode()
    assert "Begun by virsh or another tool" in page and "its options are not known" in page
    listed = client.get(reverse("migrations:list")).content.decode()
    assert "external" in listed and "not known" in listed
