"""What people ask to export, and what a real server says (captured on the lab: Debian 12, nfs-utils 2.6.2, Linux 6.1)."""

import pytest

from hosts import nfs_exports
from hosts.errors import HostError, InvalidInput, Refused
from hosts.nfs_exports import ExportRule
from hosts.nfs_servers.looking import facts_of, problems

EXPORTFS = (
    "/home/image  198.18.0.224/27(sync,wdelay,hide,no_subtree_check,fsid=1,sec=sys,rw,secure,no_root_squash,"
    "no_all_squash)\n"
)
CLIENTS = """clientid: 0x8cc6f2c6b069080
address: "198.18.0.228:864"
status: confirmed
seconds from last renew: 10
name: "Linux NFSv4.2 kvm-2"
minor version: 2
Implementation domain: "kernel.org"
Implementation name: "Linux 6.1.176 #1 Sat Jul  4 15:38:16 UTC 2026 x86_64"
Implementation time: [0, 0]
callback state: UP
callback address: 198.18.0.228:0
clientid: 0x8cc6f2e6b069080
address: "198.18.0.227:879"
status: confirmed
seconds from last renew: 10
name: "Linux NFSv4.2 kvm-1"
minor version: 2
"""
SAID = f"""=== services ===
program exportfs
threads 8
process mountd
process rpcbind
=== versions ===
+3 +4 +4.1 +4.2
=== exports ===
{EXPORTFS}=== file ===
=== clients ===
{CLIENTS}=== rmtab ===
198.18.0.227:/home/image:0x00000001
"""


def test_exports_clients_and_versions_are_read() -> None:
    [found] = nfs_exports.parse_exportfs(EXPORTFS)
    assert (found.path, found.client) == ("/home/image", "198.18.0.224/27")
    assert "no_root_squash" in found.options.split(",")
    first, second = nfs_exports.parse_clients(CLIENTS)
    assert (first.address, first.name, first.version, first.idle_s) == ("198.18.0.228", "kvm-2", "4.2", 10)
    assert second.name == "kvm-1"
    assert nfs_exports.parse_versions("+3 +4 +4.1 +4.2\n") == ("3", "4.1", "4.2")
    assert nfs_exports.parse_versions("+3 +4 -4.0 -4.1 -4.2") == ("3", "4")
    [mounted] = nfs_exports.parse_rmtab("198.18.0.227:/home/image:0x00000001\nold:/x:0x00000000\n")
    assert (mounted.address, mounted.path) == ("198.18.0.227", "/home/image")


def test_a_path_with_a_blank_is_read_back() -> None:
    [found] = nfs_exports.parse_exportfs("/srv/my\\040images  *(ro,sync)\n")
    assert found.path == "/srv/my images"


def test_one_look_tells_all() -> None:
    facts = facts_of(SAID)
    assert facts["is_serving"] and facts["threads"] == 8 and not facts["systemd"]
    assert facts["exports"][0]["ours"] is False
    assert [client["version"] for client in facts["clients"]] == ["4.2", "4.2", "3"]
    assert problems(facts) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("threads 8", "threads 0", "stopped"),
        ("process rpcbind\n", "", "rpcbind does not run"),
        ("process mountd\n", "", "mountd does not run"),
        ("program exportfs\n", "", "No NFS server is installed"),
        ("program exportfs", "firewall ssh dhcpv6-client\nprogram exportfs", "firewalld lets no NFS through"),
        ("=== file ===\n", "=== file ===\n/x *(rw) 192.0.2.1(ro)\n", "did not write"),
    ],
)
def test_what_hosts_will_stumble_over_is_told_with_its_fix(old: str, new: str, words: str) -> None:
    found = problems(facts_of(SAID.replace(old, new, 1)))
    assert [entry for entry in found if words in entry["text"] and entry["fix"]]
    assert not [entry for entry in found if "switch" in entry["fix"] or "stop firewalld" in entry["fix"]]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("path", "/"),
        ("path", "/etc"),
        ("path", "/usr/share"),
        ("path", "/var/lib/libvirt"),
        ("path", "srv/images"),
        ("path", "/srv/my images"),
        ("path", "/srv/'quoted'"),
        ("path", '/srv/"quoted"'),
        ("path", "/srv/../etc"),
        ("path", "/srv/$(reboot)"),
        ("path", "/srv/a\n/etc *(rw)"),
        ("clients", ""),
        ("clients", "*"),
        ("clients", "0.0.0.0/0"),
        ("clients", "192.0.2.0/24(rw,no_root_squash)"),
        ("clients", "a;reboot"),
        ("clients", "-x"),
        ("options", "async"),
        ("options", "rw,exec"),
        ("options", "rw) *(rw"),
        ("options", "anonuid=0;reboot"),
        ("options", "rw,ro"),
    ],
)
def test_bad_input_is_refused_at_its_field(field: str, value: str) -> None:
    given = {"path": "/srv/images", "clients": "192.0.2.0/24", "options": "", field: value}
    with pytest.raises(InvalidInput) as refusal:
        ExportRule.checked(**given)
    assert refusal.value.field == field
    assert str(refusal.value)


def test_a_file_is_written_and_read_back() -> None:
    rules = (
        ExportRule.checked(path="/srv/images/", clients="192.0.2.11, kvm-2.example.net fd00::/64"),
        ExportRule.checked(path="/srv/iso", clients="192.0.2.0/24", options="ro,root_squash"),
    )
    assert nfs_exports.parse_file(nfs_exports.render_file(rules)) == rules
    assert rules[1].options == "ro,root_squash,no_subtree_check"
    assert rules[0].render().startswith("/srv/images 192.0.2.11(rw,sync,")


def test_a_line_of_somebody_else_is_not_lost() -> None:
    with pytest.raises(Refused, match="did not write"):
        nfs_exports.parse_file("/srv/x 192.0.2.1(rw) 192.0.2.2(ro)\n")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("exportfs: Failed to stat /srv/images: No such file or directory", "does not exist"),
        ("exportfs: /srv/images does not support NFS export", "can't be exported"),
        ("exportfs: Warning: /srv/images requires fsid= for NFS export", "identity of its own"),
        ("exportfs: Failed to resolve nobody.invalid", "can't resolve"),
        ('exportfs: /etc/exports.d/kvmconsole.exports:2: unknown keyword "foo"', "does not know one of the options"),
        ("exportfs: the moon is full", "refused the export"),
    ],
)
def test_what_exportfs_says_is_told_in_words(said: str, words: str) -> None:
    told: HostError = nfs_exports.explain_exportfs(said=said, path="/srv/images", server="nas-1")
    assert words in str(told) and "Nothing was changed" in str(told)
    assert told.raw == said and told.hint
