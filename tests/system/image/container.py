"""Runs commands in an image as an engine would, on machines that may start no container.

Buildah makes the image and its root directory. A process enters it by chroot, in a mount namespace
of its own: the root is read-only, what Compose mounts is there, in memory, the user is the image's,
without capabilities. The network is the machine's: everything listens on its loopback interface.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.system.deployment.files import ROOT, SERVICES
from tests.system.deployment.processes import end_group

TAG: Final = f"localhost/exchange-poc:trial-{os.getpid()}"
BUILD_SECONDS: Final = 900
#: What needs no privilege that a machine without an engine lacks.
BUILDAH: Final = {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
TOOLS: Final = ("buildah", "unshare", "chroot", "mount")

ENTER: Final = """
set -eu
root=$1 directory=$2 user=$3 mounts=$4
shift 4
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/dev/shm"
for mount in $mounts; do
    mount -t tmpfs -o "mode=1777,${mount#*:}" tmpfs "$root${mount%%:*}"
done
for file in hosts resolv.conf; do
    if [ -e "$root/etc/$file" ]; then mount --bind "/etc/$file" "$root/etc/$file"; fi
done
exec chroot "$root" setpriv --reuid="${user%:*}" --regid="${user#*:}" --clear-groups \
    --no-new-privs --bounding-set=-all env --ignore-environment --chdir="$directory" "$@"
"""


def missing() -> str | None:
    """Return why no image can be tried here, None where it can."""
    if absent := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"{', '.join(absent)} not installed"
    if os.geteuid() != 0:
        return "root alone may mount and chroot"
    command = ["unshare", "--mount", "true"]
    possible = subprocess.run(command, capture_output=True, check=False).returncode == 0
    return None if possible else "this machine allows no mount namespace"


def buildah(*arguments: str, seconds: float = 120) -> str:
    """Run buildah and return what it printed; fail with its complaint."""
    command = ["buildah", *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=BUILDAH | os.environ,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def build() -> None:
    """Build the image from the Dockerfile; BUILD_OPTIONS may name another base."""
    options = shlex.split(os.environ.get("BUILD_OPTIONS", ""))
    command = ("build", "--format", "docker", "--file", "docker/Dockerfile", "--tag", TAG)
    buildah(*command, *options, ".", seconds=BUILD_SECONDS)


@dataclass(frozen=True)
class Image:
    """What the image says of itself, and its root directory."""

    root: Path
    config: dict[str, Any]

    @property
    def health_check(self) -> list[str]:
        kind, *command = self.config["Healthcheck"]["Test"]
        assert kind == "CMD"
        return list(command)

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        output: Any = None,
    ) -> subprocess.Popen[str]:
        """Start a command by the image's entry point, as its user."""
        variables = [*self.config["Env"], *(f"{k}={v}" for k, v in environment.items())]
        place = (str(self.root), self.config["WorkingDir"], self.config["User"])
        volumes = (f"{path}:size=1g" for path in SERVICES["web"]["volumes"])
        mounts = " ".join([*SERVICES["web"]["tmpfs"], *volumes])
        enter = ("unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "enter")
        started = [*enter, *place, mounts, *variables, *self.config["Entrypoint"], *command]
        with log.open("a") as stream:
            return subprocess.Popen(
                started,
                stdout=output or stream,
                stderr=stream,
                text=True,
                start_new_session=True,
            )

    def run(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> str:
        """Run a command to its end and return what it printed; fail when it fails."""
        process = self.start(command, environment, log, output=subprocess.PIPE)
        try:
            output, _ = process.communicate(timeout=120)
        finally:
            end_group(process)
        assert process.returncode == 0, f"{' '.join(command)}: {output}{log.read_text()[-3000:]}"
        return output


@contextmanager
def opened() -> Iterator[Image]:
    """Build the image and give it a root directory; remove both at the end."""
    build()
    try:
        described = json.loads(buildah("inspect", "--type", "image", TAG))
        name = buildah("from", TAG).strip()
        try:
            root = buildah("mount", name).strip()
            yield Image(Path(root), described["Docker"]["config"])
        finally:
            buildah("rm", name)
    finally:
        buildah("rmi", TAG)


def stop(process: subprocess.Popen[str]) -> int:
    """Stop a container as an engine does and return its status."""
    process.send_signal(signal.SIGTERM)
    return process.wait(60)
