"""What a host's shell prints becomes lines that a person can compare."""

from migrations_app import evidence

SAID = """\
uptime 93784
qemu 4711 125 17 Tl
lock /mnt/kvm/web.qcow2
image 1764021600 /mnt/kvm/web.qcow2
image - /mnt/kvm/my data.raw
something else
"""


def test_process_locks_and_times_are_told_in_words() -> None:
    found = {line["label"]: line for line in evidence.parse(SAID)}
    space = "\N{NO-BREAK SPACE}"
    assert found["QEMU"]["text"] == (
        f"process 4711, up for 2{space}min{space}5{space}s, used 17{space}s of CPU, stopped by a signal"
    )
    assert found["Host is up for"]["text"] == f"1{space}d{space}2{space}h"
    image = found["/mnt/kvm/web.qcow2"]
    assert (image["written"], image["text"]) == ("2025-11-24T22:00:00+00:00", ", locked by this QEMU")
    assert found["/mnt/kvm/my data.raw"]["text"] == "can't be read there"


def test_no_process_is_said_too() -> None:
    assert evidence.parse("uptime 5\n")[0] == {"label": "QEMU", "text": "no process of this guest"}
