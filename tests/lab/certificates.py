"""Certificates for QEMU on the lab's hosts, signed by a CA of their own, made by the hosts' certtool."""

from .lab import Lab
from .network import KVM_HOSTS

FOLDER = "/etc/pki/qemu"
MAKE = """
set -e
umask 077
rm -rf /root/pki && mkdir /root/pki && cd /root/pki
quiet() { "$@" >log 2>&1 || { cat log >&2; exit 1; }; }
printf 'cn = lab CA\\nca\\ncert_signing_key\\nexpiration_days = 2\\n' >ca.info
quiet certtool --generate-privkey --key-type=ecdsa --outfile ca-key.pem
quiet certtool --generate-self-signed --load-privkey ca-key.pem --template ca.info --outfile ca-cert.pem
while [ $# -gt 1 ]; do
  host=$1 address=$2; shift 2
  mkdir "$host"; cp ca-cert.pem "$host"
  for role in server client; do
    quiet certtool --generate-privkey --key-type=ecdsa --outfile "$host/$role-key.pem"
    printf 'cn = %s\\ndns_name = %s\\nip_address = %s\\ntls_www_%s\\nsigning_key\\nencryption_key\\nexpiration_days = 2\\n' \
      "$host" "$host" "$address" "$role" >"$role.info"
    quiet certtool --generate-certificate --load-ca-certificate ca-cert.pem --load-ca-privkey ca-key.pem \
      --load-privkey "$host/$role-key.pem" --template "$role.info" --outfile "$host/$role-cert.pem"
  done
done
"""


def install(lab: Lab) -> None:
    """Give both KVM hosts certificates for TLS migrations, as server and as client."""
    maker = lab.host(KVM_HOSTS[0])
    places = [word for name in KVM_HOSTS for word in (name, lab.host(name).address)]
    maker.run(["sh", "-c", MAKE, "sh", *places], 120)
    for name in KVM_HOSTS:
        packed = maker.run(["sh", "-c", 'tar -C "/root/pki/$1" -c . | base64 -w0', "sh", name]).stdout
        unpack = f"mkdir -p {FOLDER} && base64 -d | tar -C {FOLDER} -x"
        lab.host(name).run(["sh", "-c", unpack], input_text=packed)


def remove(lab: Lab) -> None:
    """Take them away again."""
    for name in KVM_HOSTS:
        lab.host(name).run(["rm", "-rf", FOLDER])
