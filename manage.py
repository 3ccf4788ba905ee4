#!/usr/bin/env python
"""The console's command line: `manage.py console`, `watch`, `addhost`, `token`, `lab` and Django's own."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kvmconsole.settings")
    execute_from_command_line(sys.argv)
