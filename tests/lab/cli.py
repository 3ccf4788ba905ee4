"""The command line of the lab: `manage.py lab …` and `python -m tests.lab …` are thin edges over this."""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from .lab import ENGINES, Lab
from .network import HOSTS, INSTANCES, KVM_HOSTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--engine", choices=sorted(ENGINES), default=os.environ.get("KVMCONSOLE_LAB_ENGINE", "netns"))
    instance = int(os.environ.get("KVMCONSOLE_LAB_INSTANCE", "0"))
    common.add_argument("--instance", type=int, choices=INSTANCES, default=instance)
    verbs = parser.add_subparsers(dest="verb", required=True, parser_class=argparse.ArgumentParser)
    up = verbs.add_parser("up", parents=[common], help="bring up what is not up")
    up.add_argument("--mounted", action=argparse.BooleanOptionalAction, default=True, help="mount the storage at /mnt")
    up.add_argument("--unmounted", dest="mounted", action="store_false", help="the same as --no-mounted")
    verbs.add_parser("down", parents=[common], help="take everything away")
    status = verbs.add_parser("status", parents=[common], help="what is up")
    status.add_argument("--json", action="store_true")
    execute = verbs.add_parser("exec", parents=[common], help="run a command on a host: exec HOST -- COMMAND …")
    execute.add_argument("host", choices=list(HOSTS))
    execute.add_argument("argv", nargs="+")
    shell = verbs.add_parser("shell", parents=[common], help="a shell on a host, or shell HOST -- COMMAND …")
    shell.add_argument("host", choices=list(HOSTS))
    shell.add_argument("argv", nargs="*", default=[])
    _add_guest(verbs.add_parser("guest", help="start, stop, list guests"), common)


def _add_guest(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="guest_verb", required=True, parser_class=argparse.ArgumentParser)
    start = verbs.add_parser(
        "start", parents=[common], help="start a guest; `share` and `busy` have defaults of their own"
    )
    start.add_argument("name")
    start.add_argument("--host", choices=KVM_HOSTS, default="kvm-1")
    start.add_argument("--memory-mib", type=int)
    start.add_argument(
        "--dirty", type=int, metavar="MIB", dest="dirty_mib", help="rewrite that much memory without end"
    )
    start.add_argument("--beat", type=int, metavar="SECONDS", dest="beat_s", help="heartbeat interval, 0 for none")
    start.add_argument("--address", help="IPv4 address (default: the next free one)")
    start.add_argument("--cache", choices=["none", "writeback", "directsync", "writethrough"])
    start.add_argument(
        "--disk-folder",
        metavar="FOLDER",
        help="where its disk lies (default: the share); each host has its own /var/lib",
    )
    start.add_argument("--data", type=int, metavar="MIB", dest="data_mib", help="a second disk of random data")
    start.add_argument("--data-folder", metavar="FOLDER", help="where that lies (default: the host's own storage)")
    start.add_argument("--transient", action="store_true")
    start.add_argument("--vnc", action="store_true", default=None)
    start.add_argument("--wait", type=float, metavar="SECONDS", default=0, dest="wait_s", help="until it answers ping")
    for verb, text in {
        "stop": "shut a guest down",
        "destroy": "pull its plug",
        "remove": "destroy, undefine, delete its disk",
        "heartbeat": "what its disk proves, as JSON",
    }.items():
        verbs.add_parser(verb, parents=[common], help=text).add_argument("name")
    verbs.add_parser("list", parents=[common], help="all guests").add_argument("--json", action="store_true")


def execute(options: dict[str, Any], *, say: Callable[[str], None]) -> int:
    """Do what the parsed command line asks; returns the exit status. Raises LabError."""
    lab = Lab(engine=options["engine"], instance=options["instance"], say=say)
    verb = options["verb"]
    if verb == "up":
        begun = time.monotonic()
        lab.up(mounted=options["mounted"])
        say(f"ssh: ssh -i {lab.key} -o UserKnownHostsFile={lab.known_hosts} root@{lab.host('kvm-1').address}")
        say(f"took {time.monotonic() - begun:.1f} s")
    elif verb == "down":
        lab.down()
    elif verb == "status":
        _say_status(lab.status(), as_json=options["json"], say=say)
    elif verb in ("exec", "shell"):
        argv = lab.engine.enter(options["host"], options["argv"])
        os.execvp(argv[0], argv)  # noqa: S606 - the shell of the host, in place of this process
    else:
        _guest(lab, options, say=say)
    return 0


def _say_status(status: dict[str, Any], *, as_json: bool, say: Callable[[str], None]) -> None:
    if as_json:
        say(json.dumps(status, indent=2))
        return
    say(f"lab {status['engine']} {status['instance']}, network {status['network']}, key {status['key']}")
    for host in status["hosts"]:
        words = [host["name"].ljust(6), host["address"].ljust(15), "up  " if host["up"] else "down"]
        if host["uri"]:
            words.append(f"{host['uri']}  libvirtd {'answers' if host['libvirtd'] else 'does not answer'}")
        words += [f"{mount['source']} on {mount['target']}" for mount in host["mounts"]]
        say("  ".join(words))
    _say_guests(status["guests"], say=say)


def _say_guests(guests: list[dict[str, Any]], *, say: Callable[[str], None]) -> None:
    for guest in guests:
        where = f"runs on {guest['host']}" if guest["host"] else "shut off"
        answers = ", answers ping" if guest["answers_ping"] else ""
        say(f"guest {guest['name']}  {guest['address']}  {where}{answers}")


def _guest(lab: Lab, options: dict[str, Any], *, say: Callable[[str], None]) -> None:
    verb = options["guest_verb"]
    if verb == "list":
        guests = lab.guests.status()
        if options["json"]:
            say(json.dumps(guests, indent=2))
        else:
            _say_guests(guests, say=say)
        return
    name = options["name"]
    if verb == "start":
        keys = ("host", "transient", "address", "wait_s", "memory_mib", "dirty_mib", "beat_s", "cache", "vnc")
        keys += ("disk_folder", "data_mib", "data_folder")
        spec = lab.guests.start(name, **{key: options[key] for key in keys})
        say(f"guest {name} runs on {lab.guests.host_of(name)}, address {spec.address}")
    elif verb == "heartbeat":
        beat = lab.heartbeat(name)
        say(json.dumps({**asdict(beat), "restarts": beat.restarts, "whole": beat.whole}, indent=2))
    else:
        getattr(lab.guests, verb)(name)
        say(f"guest {name}: {verb} done")
