#!/usr/bin/env python
"""Django's command line; starts the embedded servers first when no server is configured."""

import os
import sys

from exchange_poc.launcher.environment import ensure_servers


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "exchange_poc.settings")
    ensure_servers()

    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
