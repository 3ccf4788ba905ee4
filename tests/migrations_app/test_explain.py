"""Each real message is understood as what it is, what nobody knows stays unknown, and no secret gets through."""

from pathlib import Path

import pytest
from django.conf import settings

from migrations_app import explain
from migrations_app.failures import RULES

CORPUS = Path(__file__).parents[1] / "data" / "explained_errors.txt"
CASES = [tuple(line.split("\t")) for line in CORPUS.read_text().splitlines() if not line.startswith("#")]
DOC = Path(settings.BASE_DIR) / "docs" / "explained-errors.md"
NAMES = {"vm": "web", "source": "kvm-1", "destination": "kvm-2"}


@pytest.mark.parametrize(("name", "message"), CASES, ids=[f"{name}-{i}" for i, (name, _) in enumerate(CASES)])
def test_a_real_message_is_classified(name: str, message: str) -> None:
    found = explain.explain(message.partition(" # ")[0], **NAMES)
    assert found.name == name
    assert "{" not in found.cause + found.fix
    assert found.cause and found.fix


def test_every_rule_has_a_real_message() -> None:
    assert {rule.name for rule in RULES} - {name for name, _ in CASES} == set()


def test_unknown_words_stay_unknown() -> None:
    found = explain.explain("frobnication failed", ["2026-11-24: no such thing"])
    assert (found.name, found.because) == (explain.UNKNOWN, "")


def test_a_broken_stream_gives_way_to_what_the_destination_says() -> None:
    lines = ["2026-11-24T22:06:25.4Z qemu-system-x86_64: load of migration failed: Invalid argument"]
    found = explain.explain("operation failed: job 'migration out' failed: Broken pipe", lines, **NAMES)
    assert (found.name, found.because) == ("device_state", lines[0])


def test_what_libvirt_said_outright_stands_whatever_the_logs_say() -> None:
    lines = ["error : Unable to resolve address 'other' service '1': Name or service not known"]
    said = "Unsafe migration: Migration without shared storage is unsafe"
    assert explain.explain(said, lines).name == "unsafe"


def test_names_and_the_pattern_s_own_words_are_put_in() -> None:
    found = explain.explain("Cannot access storage file '/mnt/kvm/a.qcow2': No such file or directory", **NAMES)
    assert found.cause == "kvm-2 does not see a disk image that the guest uses: /mnt/kvm/a.qcow2."


@pytest.mark.parametrize(
    "secret",
    [
        """<graphics type='vnc' passwd='hunter2'/>""",
        """-object {"qom-type":"secret","id":"vnc","data":"hunter2"}""",
        """-object secret,id=vnc,data=hunter2,format=raw""",
        r"""{"execute":"set_password","arguments":{"protocol":"vnc","password":"hunter2"}}""",
        r"""buf={\"password\":\"hunter2\"}""",
        """qemu+tcp://admin:hunter2@kvm-2/system""",
        """spice password=hunter2 set""",
    ],
)
def test_secrets_are_scrubbed(secret: str) -> None:
    assert "hunter2" not in explain.scrubbed(secret)
    assert "…" in explain.scrubbed(secret)


def test_scrubbing_leaves_the_rest() -> None:
    line = "2026-11-24 22:06:25.466+0000: 70: error : qemuMigrationJobCheckStatus:1869 : operation failed"
    assert explain.scrubbed(line) == line


ABORTED = ["qemuMigrationDstFinish:6832 : migration successfully aborted"]
PIPE = ["operation failed: job 'migration out' failed: Unable to write to socket: Broken pipe"]


@pytest.mark.parametrize(
    ("here", "there", "cancelled"),
    [
        (["operation aborted: migration out: canceled by client"], [], True),
        (PIPE, [*ABORTED, "qemu-system-x86_64: terminating on signal 15 from pid 60 (libvirtd)"], True),
        (PIPE, [], False),
        (PIPE, [*ABORTED, "qemu-system-x86_64: load of migration failed: Invalid argument"], False),
        (PIPE, [*ABORTED, "shutting down, reason=crashed"], False),
        (["Lost connection to destination host"], ABORTED, False),
        ([], [], False),
    ],
)
def test_who_reads_the_logs_knows_whether_it_was_cancelled(here: list[str], there: list[str], cancelled: bool) -> None:
    assert explain.was_cancelled(here, there) is cancelled


def test_the_table_of_the_docs_is_that_of_the_code() -> None:
    words = {"source": "the source", "destination": "the destination", "vm": "VM", "detail": "it is named"}
    rows = [f"| {rule.cause.format(**words)} | {rule.fix.format(**words)} |" for rule in RULES]
    assert [line for line in DOC.read_text().splitlines() if line.startswith("| ")][1:] == rows
