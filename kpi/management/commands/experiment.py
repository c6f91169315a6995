"""``experiment``: keep the state of the whole exchange under a name, and bring it back."""

from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat

from kpi.experiments.manifest import Manifest
from kpi.experiments.services import (
    delete_experiment,
    list_experiments,
    restore_experiment,
    save_experiment,
)
from market.kernel.errors import ExchangeError


class Command(BaseCommand):
    help = (
        "Keep the state of the whole exchange under a name, and bring it back as often as you "
        "like: accounts, policy, marks, history, users, keys, audit trail."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        for action, what in (
            ("save", "keep the present state"),
            ("restore", "give the present state up for a kept one"),
            ("delete", "delete a kept state"),
        ):
            actions.add_parser(action, help=what).add_argument("name")
        actions.add_parser("list", help="the kept states")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        actions: Mapping[str, Callable[..., None]] = {
            "save": self.save,
            "restore": self.restore,
            "delete": self.delete,
            "list": self.list,
        }
        name = {"name": options["name"]} if "name" in options else {}
        try:
            actions[action](**name)
        except ExchangeError as error:
            raise CommandError(error.detail) from error

    def save(self, *, name: str) -> None:
        manifest = save_experiment(name=name)
        self.stdout.write(self.style.SUCCESS(f"Saved {describe(manifest)}"))
        self.tell_heads(manifest)

    def restore(self, *, name: str) -> None:
        restored = restore_experiment(name=name)
        manifest = restored.manifest
        for line in restored.changes:
            self.stdout.write(f"  {line}")
        if restored.jobs is None:
            self.stderr.write("Redis is away: requests counted there still count for a minute.")
        self.stdout.write(
            self.style.SUCCESS(
                f"Restored {name} (restore {manifest.restores} of it); nobody could trade for "
                f"{restored.seconds:.1f} s. The ledger is clean, the audit trail is sound."
            )
        )
        self.tell_heads(manifest)

    def delete(self, *, name: str) -> None:
        delete_experiment(name=name)
        self.stdout.write(f"Deleted {name}.")

    def list(self) -> None:
        manifests = list_experiments()
        for manifest in manifests:
            self.stdout.write(describe(manifest))
        if not manifests:
            self.stdout.write("No experiment is saved.")

    def tell_heads(self, manifest: Manifest) -> None:
        state = manifest.state
        self.stdout.write(f"  ledger {state.ledger_head}\n  audit  {state.audit_head}")
        self.stdout.write(f"  policy {state.policy_digest}")


def describe(manifest: Manifest) -> str:
    """Return a line about a saved state."""
    state = manifest.state
    marks = ", ".join(f"{symbol} {price}" for symbol, price in state.marks.items())
    return (
        f"{manifest.name}: {manifest.saved_at:%Y-%m-%d %H:%M:%S} UTC, "
        f"commit {manifest.commit[:12] or 'unknown'}, seed {manifest.seed or 'none'}, "
        f"{filesizeformat(manifest.size)}, step {state.step}, {marks or 'no mark'}, "
        f"{state.rows('accounts_user')} users, {state.rows('trading_order')} orders, "
        f"restored {manifest.restores} time(s)"
    )
