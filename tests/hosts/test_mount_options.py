"""Options of mounts: what they come to, where two hosts differ, and how one asks for the same again."""

import pytest

from hosts.mount_options import asked, differences, effective, usual
from hosts.nfs import known_options

# As findmnt told it of two kernels 6.1 (Debian 12), mounted from one server with the console's defaults.
KERNEL = (
    "rw,relatime,vers=4.2,rsize=1048576,wsize=1048576,namlen=255,hard,proto=tcp,timeo=600,retrans=2,sec=sys,"
    "clientaddr=198.51.100.11,local_lock=none,addr=198.51.100.2"
)
OTHER = KERNEL.replace("198.51.100.11", "198.51.100.12")


def names(mine: str, theirs: str) -> list[str]:
    return [found.name for found in differences(effective(mine), effective(theirs))]


def test_hosts_with_addresses_of_their_own_have_it_alike() -> None:
    assert names(KERNEL, OTHER) == []


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("vers=4.2", "vers=3", "vers"),
        ("rw,", "ro,", "access"),
        ("hard", "soft", "failure"),
        ("hard", "softerr", "failure"),
        ("timeo=600", "timeo=50", "timeo"),
        ("wsize=1048576", "wsize=32768", "wsize"),
        ("hard", "hard,nconnect=4", "nconnect"),
        ("local_lock=none", "local_lock=all", "locking"),
        ("hard", "hard,nolock", "locking"),
        ("hard", "hard,noac", "attributes"),
        ("sec=sys", "sec=krb5p", "sec"),
    ],
)
def test_what_matters_to_a_guests_disks_is_a_difference(old: str, new: str, name: str) -> None:
    assert names(KERNEL, OTHER.replace(old, new)) == [name]
    (found,) = differences(effective(KERNEL), effective(OTHER.replace(old, new)))
    assert found.title and found.why and found.mine != found.theirs


def test_what_a_host_does_not_say_is_no_difference() -> None:
    assert names("rw,vers=4.2,hard", KERNEL) == []


def test_the_usual_option_is_that_of_most() -> None:
    soft = effective(KERNEL.replace("hard", "soft"))
    assert usual([soft, effective(KERNEL), effective(OTHER)])["failure"] == "hard"
    assert usual([])["vers"] == ""


def test_one_asks_for_the_same_again() -> None:
    assert asked(effective(KERNEL)) == "vers=4.2,hard,_netdev,nofail"
    changed = effective(KERNEL.replace("rw,", "ro,").replace("hard", "soft,nconnect=4"))
    assert asked(changed) == "vers=4.2,soft,nconnect=4,ro,_netdev,nofail"
    assert effective(asked(changed))["access"] == "read-only"


def test_only_options_that_may_be_asked_for_are_taken_from_the_kernels() -> None:
    again = known_options(KERNEL)
    assert "addr" not in again
    assert again.startswith("rw,relatime,vers=4.2,rsize=1048576")
    assert known_options("rw,exec;reboot,sec=$(reboot)") == "rw"
