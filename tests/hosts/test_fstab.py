from hypothesis import given
from hypothesis import strategies as st

from hosts.fstab import Fstab, FstabEntry, parse_line

EXAMPLE = (
    "# /etc/fstab: static file system information.\n"
    "UUID=1234 /               ext4    errors=remount-ro 0       1\n"
    "\n"
    "nfs:/home/image\t/mnt\tnfs\tvers=4.2,hard\t0 0\n"
    "nfs:/a\\040b  /srv/a\\040b nfs defaults # by hand\n"
    "//broken\n"
    "tmpfs /tmp tmpfs"
)

fields = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\r\0"), min_size=1, max_size=12)
entries = st.builds(
    FstabEntry, source=fields, target=fields, fstype=st.sampled_from(["nfs", "nfs4"]), options=st.just("vers=4.2,hard")
)
files = st.lists(st.one_of(entries.map(FstabEntry.render), st.text("ab/# \t\r\\0", max_size=20))).map("\n".join)


def test_entries_are_read_and_other_lines_left_out():
    found = Fstab(EXAMPLE).entries
    assert [entry.target for entry in found] == ["/", "/mnt", "/srv/a b", "/tmp"]
    assert found[1] == FstabEntry("nfs:/home/image", "/mnt", "nfs", "vers=4.2,hard", "0", "0")
    assert found[2] == FstabEntry("nfs:/a b", "/srv/a b", "nfs", "defaults")
    assert found[3].options == "defaults"


def test_an_entry_is_added_after_a_last_line_without_an_end():
    entry = FstabEntry("nfs:/home/image", "/mnt/x y", "nfs", "_netdev,hard")
    added = Fstab(EXAMPLE).add(entry)
    assert added.text == EXAMPLE + "\nnfs:/home/image\t/mnt/x\\040y\tnfs\t_netdev,hard\t0\t0\n"
    assert added.find("/mnt/x y") == entry


def test_removing_takes_that_line_and_no_other():
    removed = Fstab(EXAMPLE).remove("/mnt")
    assert removed.text == EXAMPLE.replace("nfs:/home/image\t/mnt\tnfs\tvers=4.2,hard\t0 0\n", "")
    assert Fstab(EXAMPLE).remove("/nowhere").text == EXAMPLE


def test_the_last_of_several_entries_for_a_target_is_found():
    text = "a:/x /mnt nfs\nb:/x /mnt nfs\n"
    found = Fstab(text).find("/mnt")
    assert found is not None and found.source == "b:/x"
    assert Fstab(text).remove("/mnt").text == ""


@given(entries)
def test_every_entry_survives_being_written_and_read(entry):
    assert parse_line(entry.render()) == entry


@given(files, entries)
def test_adding_and_removing_leaves_the_file_as_it_was(text, entry):
    before = Fstab(text).remove(entry.target).text
    after = Fstab(before).add(entry).remove(entry.target).text
    assert after == (before if not before or before.endswith("\n") else before + "\n")
