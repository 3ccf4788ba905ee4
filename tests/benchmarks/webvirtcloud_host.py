"""Times WebVirtCloud's page of a host's guests, in WebVirtCloud's own Python: SOURCE URI ROUNDS; JSON on the last line.

WebVirtCloud knows only ssh, tcp, tls and the local socket, so the one thing changed of it is what its socket connection
opens: URI. Its settings are its own template, without LDAP, with a key and a database in a folder of their own.
"""

import json
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    source, uri, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    folder = Path(tempfile.mkdtemp(prefix="webvirtcloud-"))
    try:
        shutil.copytree(source, folder / "app", ignore=shutil.ignore_patterns(".git"))
        figures = measured(folder / "app", uri, rounds)
    finally:
        shutil.rmtree(folder)
    print(json.dumps(figures))


def settings_of(app: Path) -> str:
    text = (app / "webvirtcloud" / "settings.py.template").read_text()
    text = re.sub(r"^(import ldap|from django_auth_ldap.*)$", "", text, flags=re.MULTILINE)
    text = text[: text.index("# LDAP Config")] if "# LDAP Config" in text else text
    return text.replace('SECRET_KEY = ""', 'SECRET_KEY = "of this benchmark alone, in a folder that is removed"')


def measured(app: Path, uri: str, rounds: int) -> dict[str, object]:
    (app / "webvirtcloud" / "settings.py").write_text(settings_of(app))
    os.chdir(app)
    sys.path.insert(0, str(app))
    os.environ["DJANGO_SETTINGS_MODULE"] = "webvirtcloud.settings"
    import libvirt

    opened = libvirt.open
    libvirt.open = lambda asked=None: opened(uri if asked == "qemu:///system" else asked)
    import django
    from django.conf import settings

    settings.STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    if hasattr(settings, "STATICFILES_STORAGE"):
        del settings.STATICFILES_STORAGE
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from computes.models import Compute
    from django.contrib.auth import get_user_model
    from django.test import Client
    from vrtManager.connection import CONN_SOCKET, connection_manager

    connection_manager.host_is_up = lambda kind, name: True
    user = get_user_model().objects.create_superuser("bench", "bench@example.net", "bench")
    compute = Compute.objects.create(name="bench", hostname="localhost", login="", password="", type=CONN_SOCKET)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    path = f"/computes/{compute.pk}/instances/"
    first = client.get(path)  # writes its rows of the guests
    if first.status_code != 200:
        raise SystemExit(f"WebVirtCloud answered {first.status_code}: {first.content[:400]!r}")
    times, busy = [], []
    for _ in range(rounds):
        began, began_busy = time.perf_counter(), time.process_time()
        page = client.get(path).content.decode()
        times.append((time.perf_counter() - began) * 1000)
        busy.append((time.process_time() - began_busy) * 1000)
    names = re.findall(r"guest-\d{3}", page)
    return {
        "times_ms": times,
        "cpu_ms": busy,
        "bytes": len(page),
        "guests": len(set(names)),
        "django": django.get_version(),
    }


if __name__ == "__main__":
    main()
