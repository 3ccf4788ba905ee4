"""The shell that runs on an NFS server: fixed texts, their data as positional arguments. Exit codes from 70 on are ours."""

from hosts.nfs_exports import EXPORTS_FILE

LOCKED, CHANGED, NO_FOLDER, NOT_A_FOLDER, IS_LINK, COMPLAINED, NO_SYSTEMD, NO_NFS = 76, 75, 73, 74, 71, 78, 79, 80

LOOK = f"""
part() {{ echo "=== $1 ==="; }}
part services
[ -d /run/systemd/system ] && echo "manager systemd"
for unit in nfs-server rpcbind; do
    if [ -d /run/systemd/system ]; then
        echo "unit $unit $(systemctl is-active $unit 2>/dev/null) $(systemctl is-enabled $unit 2>/dev/null)"
    fi
done
command -v exportfs >/dev/null && echo "program exportfs"
echo "threads $(cat /proc/fs/nfsd/threads 2>/dev/null)"
pgrep -x rpc.mountd >/dev/null && echo "process mountd"
timeout -s KILL 5 rpcinfo -p 127.0.0.1 >/dev/null 2>&1 && echo "process rpcbind"
pgrep -x firewalld >/dev/null && echo "firewall $(timeout 5 firewall-cmd --list-services 2>/dev/null)"
getenforce 2>/dev/null | sed 's/^/selinux /'
getsebool nfs_export_all_rw 2>/dev/null | sed 's/^/sebool /'
part versions
cat /proc/fs/nfsd/versions 2>/dev/null
part exports
timeout -s KILL 10 exportfs -s 2>/dev/null
part file
cat {EXPORTS_FILE} 2>/dev/null
part clients
for info in /proc/fs/nfsd/clients/*/info; do [ -r "$info" ] && cat "$info"; done
part rmtab
cat /var/lib/nfs/rmtab 2>/dev/null
exit 0
"""
"""Asks the server's own kernel and files; nothing in it waits for a client."""

WRITE = f"""
exec 9>/run/kvmconsole-exports.lock
flock -w 20 9 || exit {LOCKED}
expected=$1 path=$2 make=$3
folder=/etc/exports.d file={EXPORTS_FILE}
command -v exportfs >/dev/null || exit {NO_NFS}
if [ -n "$path" ]; then
    [ "$(realpath -m -- "$path")" = "$path" ] || {{ realpath -m -- "$path"; exit {IS_LINK}; }}
    if [ ! -e "$path" ]; then
        [ "$make" = yes ] || exit {NO_FOLDER}
    elif [ ! -d "$path" ]; then
        exit {NOT_A_FOLDER}
    fi
fi
[ "$(cat "$file" 2>/dev/null | sha256sum | cut -d ' ' -f 1)" = "$expected" ] || exit {CHANGED}
mkdir -p "$folder" || exit 1
made=
if [ -n "$path" ] && [ ! -e "$path" ]; then mkdir -p -- "$path" && made=$path || exit 1; fi
new=$(mktemp "$folder/.kvmconsole.XXXXXX") || exit 1
old=$(mktemp "$folder/.kvmconsole.XXXXXX") || exit 1
trap 'rm -f "$new" "$old"' EXIT
cat > "$new" && chmod 644 "$new" && sync "$new" || exit 1
had=
if [ -e "$file" ]; then cp -p -- "$file" "$old" && had=yes || exit 1; fi
before=$(timeout -s KILL 20 exportfs -ra 2>&1)
mv -f -- "$new" "$file" || exit 1
said=$(timeout -s KILL 20 exportfs -ra 2>&1)
status=$?
complaints=$(printf '%s\\n' "$said" | grep -vxF -e "$before" | grep .)
if [ $status -ge 124 ] || [ -n "$complaints" ]; then
    if [ -n "$had" ]; then mv -f -- "$old" "$file"; else rm -f -- "$file"; fi
    timeout -s KILL 20 exportfs -ra >/dev/null 2>&1
    [ -z "$made" ] || rmdir -- "$made" 2>/dev/null
    printf '%s\\n' "$complaints" >&2
    exit {COMPLAINED}
fi
exit 0
"""
"""Input: the new text. Put in place by a rename, and back where exportfs complains of anything that it did not complain of
before; names that begin with a dot are no exports (exports(5))."""

START = f"""
[ -d /run/systemd/system ] || exit {NO_SYSTEMD}
systemctl cat nfs-server >/dev/null 2>&1 || exit {NO_NFS}
timeout -s KILL 60 systemctl enable --now rpcbind.socket nfs-server
"""


def argv(script: str, *arguments: str) -> list[str]:
    """The argument list that runs `script` with `arguments` as $1, $2 and so on."""
    return ["sh", "-c", script, "kvmconsole", *arguments]
