#!/usr/bin/env python
"""Django's command line; starts the embedded servers first when no server is configured."""

import os
import sys

from exchange_poc.launcher.environment import ensure_servers, go_without_servers


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "exchange_poc.settings")
    if sys.argv[1:2] == ["verify_audit"] and any(one.startswith("--bundle") for one in sys.argv):
        go_without_servers()
    else:
        ensure_servers()

    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db.migrations.exceptions import InconsistentMigrationHistory

    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, InconsistentMigrationHistory) as error:
        raise SystemExit(f"exchange-poc: {error}") from None


if __name__ == "__main__":
    main()
