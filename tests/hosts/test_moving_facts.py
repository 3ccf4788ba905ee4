"""What hosts say of files, read as values; definitions whose paths change, and names that can be given."""

import pytest

from hosts.errors import InvalidInput
from hosts.moving_images import facts

XML = """<domain type='qemu'><name>web</name><os><kernel>/mnt/vmlinuz</kernel></os><devices>
<disk type='file' device='disk'><source file='/mnt/a "b".qcow2'/><backingStore type='file'><source file='/mnt/base.qcow2'/></backingStore></disk>
<disk type='file' device='cdrom'><source file='/mnt/cd.iso'/><readonly/></disk>
<disk type='volume' device='disk'><source pool='images' volume='v.qcow2'/></disk>
<disk type='file' device='disk'><source file='/mnt2/other.qcow2'/></disk></devices></domain>"""


def test_a_list_is_read_whatever_its_names_hold() -> None:
    said = 'f\x007\x008\x001.5\x00\x00sub/a "b"\n$(id)\x00d\x000\x000\x001\x00\x00sub\x00l\x003\x000\x001\x00sub\x00link\x00p\x000\x000\x001\x00\x00pipe\x00'
    found = facts.parse_list(said)
    assert [(one.path, one.kind) for one in found] == [
        ("link", "link"),
        ("pipe", "other"),
        ("sub", "folder"),
        ('sub/a "b"\n$(id)', "file"),
    ]
    assert (found[3].size_bytes, found[3].allocated_bytes, found[3].mtime, found[0].link) == (7, 4096, "1.5", "sub")
    assert facts.parse_list("") == []


def test_a_share_says_its_space_whether_it_can_be_written_and_what_is_taken() -> None:
    found = facts.parse_share("writable\n100 4096\nf\x0012\x00a b\x00d\x00000\x00sub\x00")
    assert (found.available_bytes, found.refusal) == (409600, "")
    assert found.taken["a b"] == facts.OnShare("a b", "file", "12") and found.taken["sub"].kind == "folder"
    refused = facts.parse_share("refused sh: 1: cannot create /x: Read-only file system\n1 1\n")
    assert "Read-only" in refused.refusal and refused.taken == {}


def test_a_chain_lists_what_an_image_is_based_on_even_where_that_is_gone() -> None:
    chain = '[{"filename": "/mnt/a", "format": "qcow2", "full-backing-filename": "/mnt/b"}, {"filename": "/mnt/b", "format": "raw"}]'
    gone = '[{"filename": "/mnt/c", "format": "qcow2", "backing-filename": "/mnt/gone"}]'
    found = facts.parse_chains(f"/mnt/a\x00{chain}\x00/mnt/c\x00{gone}\x00/mnt/x\x00\x00")
    assert found["/mnt/a"].chain == ("/mnt/b",) and found["/mnt/c"].chain == ("/mnt/gone",)
    assert found["/mnt/a"].format == "qcow2" and "/mnt/x" not in found


def test_a_definition_names_its_paths_wherever_they_stand() -> None:
    assert facts.paths_below(XML, "/mnt") == {"/mnt/vmlinuz", '/mnt/a "b".qcow2', "/mnt/base.qcow2", "/mnt/cd.iso"}
    assert facts.volumes_below(XML, {"images": "/mnt/pool"}, "/mnt") == {"/mnt/pool/v.qcow2"}
    assert facts.volumes_below(XML, {}, "/mnt") == frozenset()
    assert facts.written_disks(XML) == {'/mnt/a "b".qcow2', "/mnt2/other.qcow2"}


def test_paths_change_and_nothing_else() -> None:
    changes = {
        '/mnt/a "b".qcow2': "/mnt/it's & new.qcow2",
        "/mnt/base.qcow2": '/mnt/a "b".qcow2',
        "/mnt/vmlinuz": "/mnt/v2",
    }
    changed = facts.replace_paths(XML, changes)
    assert facts.paths_below(changed, "/mnt") == {"/mnt/v2", "/mnt/it's & new.qcow2", '/mnt/a "b".qcow2', "/mnt/cd.iso"}
    assert facts.replace_paths(changed, {new: old for old, new in changes.items()}).count("/mnt/base.qcow2") == 1
    with pytest.raises(InvalidInput):
        facts.replace_paths("<domain", {})


@pytest.mark.parametrize("name", ["", " ", "/a", "../a", "a/../b", "a//b", "a\nb", "x" * 300, "a\0b", "./a", "a/"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        facts.validate_new_name(name)


def test_a_free_name_keeps_folder_and_suffix() -> None:
    assert facts.validate_new_name('sub/it\'s a "name".qcow2')
    assert facts.free_name("sub/web.qcow2", "kvm-2", []) == "sub/web-kvm-2.qcow2"
    assert facts.free_name("web.qcow2", "kvm-2", ["web-kvm-2.qcow2"]) == "web-kvm-2-2.qcow2"
