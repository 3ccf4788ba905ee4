import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosts.errors import InvalidInput
from hosts.host_uri import HostUri, SshAddress, validate_address, validate_ssh_target


@pytest.mark.parametrize(
    ("text", "transport", "user", "hostname", "port"),
    [
        ("qemu+ssh://root@kvm-1/system", "ssh", "root", "kvm-1", None),
        ("qemu+ssh://kvm-1.example.org:2222/system", "ssh", "", "kvm-1.example.org", 2222),
        ("qemu+tls://192.0.2.7/system", "tls", "", "192.0.2.7", None),
        ("qemu+tcp://[2001:db8::7]:16509/system", "tcp", "", "2001:db8::7", 16509),
        ("  qemu:///system\n", "local", "", "", None),
    ],
)
def test_the_four_kinds_of_uri_are_read(text, transport, user, hostname, port):
    uri = HostUri.parse(text)
    assert (uri.transport, uri.user, uri.hostname, uri.port) == (transport, user, hostname, port)
    assert uri.path == "/system"
    assert HostUri.parse(uri.text) == uri


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kvm-1",
        "qemu:///session",
        "qemu://kvm-1/system",
        "qemu+ssh:///system",
        "qemu+ssh://root@/system",
        "qemu+ssh://kvm-1",
        "qemu+ssh://kvm-1/session",
        "qemu+ssh://kvm-1/system/..",
        "qemu+ssh://-oProxyCommand=id/system",
        "qemu+ssh://root@-oProxyCommand/system",
        "qemu+ssh://-l@kvm-1/system",
        "qemu+ssh://kvm-1;id/system",
        "qemu+ssh://$(id)/system",
        "qemu+ssh://`id`/system",
        "qemu+ssh://kvm 1/system",
        "qemu+ssh://kvm-1'/system",
        'qemu+ssh://kvm-1"/system',
        "qemu+ssh://kvm-1/system?command=/bin/sh",
        "qemu+ssh://kvm-1/system?keyfile=/etc/shadow",
        "qemu+ssh://kvm-1/system?socket=/tmp/x",
        "qemu+ssh://kvm-1/system#x",
        "qemu+ssh://kvm-1:0/system",
        "qemu+ssh://kvm-1:65536/system",
        "qemu+ssh://root:secret@kvm-1/system",
        "qemu+ssh://kvm-1\n/system",
        "qemu+ssh://300.1.1.1/system",
        "qemu+ssh://[::zz]/system",
        "qemu+ssh://a..b/system",
        "qemu+unix:///system",
        "qemu+libssh2://kvm-1/system",
        "qemu+ext://kvm-1/system?command=x",
        "xen+ssh://kvm-1/system",
        "lxc:///system",
        "test:///default",
        "<script>alert(1)</script>",
    ],
)
def test_every_other_uri_is_refused_with_a_form_to_follow(text):
    with pytest.raises(InvalidInput) as refused:
        HostUri.parse(text)
    assert refused.value.field == "uri"
    assert "qemu+ssh://" in refused.value.hint


def test_the_test_driver_is_taken_only_when_asked_for():
    uri = HostUri.parse("test:///default", allow_test=True)
    assert (uri.transport, uri.path, uri.ssh_target) == ("local", "/default", None)


def test_the_ssh_target_of_an_ssh_uri_is_its_own_login():
    uri = HostUri.parse("qemu+ssh://root@[::1]:2222/system")
    assert uri.ssh_target == SshAddress(hostname="::1", user="root", port=2222)
    assert str(uri.ssh_target) == "root@[::1]:2222"


def test_the_port_of_a_tls_uri_is_not_sshs():
    assert str(HostUri.parse("qemu+tls://kvm-1:16514/system").ssh_target) == "kvm-1"
    assert HostUri.parse("qemu:///system").ssh_target is None


@pytest.mark.parametrize("text", ["kvm-1", "root@kvm-1", "root@192.0.2.1:2222", "[2001:db8::1]:22"])
def test_an_ssh_target_comes_back_as_written(text):
    assert str(validate_ssh_target(text)) == text


@pytest.mark.parametrize("text", ["", "-oX=y", "root@-x", "a b", "a;b", "a@b@c", "kvm-1:99999", "kvm-1/x", "root@"])
def test_ssh_targets_that_are_none_are_refused(text):
    with pytest.raises(InvalidInput, match=r"ssh target|host name|out of range") as refused:
        validate_ssh_target(text)
    assert refused.value.field == "ssh"


@pytest.mark.parametrize(
    "text",
    ["", "1.2.3", "1.2.3.4.5", "-x", "x-", "a b", "::g", "[::1", "fe80::1%eth0", "::1%$(id)", "[::1%;id]", "x" * 64],
)
def test_addresses_that_are_none_are_refused(text):
    with pytest.raises(InvalidInput):
        validate_address(text)


def test_addresses_come_back_in_one_form():
    assert validate_address("[2001:DB8:0::1]") == "2001:db8::1"
    assert validate_address("KVM-1.Example.org") == "kvm-1.example.org"


@given(st.text(max_size=40))
def test_what_is_accepted_holds_no_character_that_means_something_to_a_shell(text):
    try:
        uri = HostUri.parse(f"qemu+ssh://{text}/system")
    except InvalidInput:
        return
    assert set(uri.text.removeprefix("qemu+ssh://")) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@:[]/"
    )
    assert not uri.hostname.startswith("-")
