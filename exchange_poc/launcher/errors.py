"""What ends a launcher command early: a failure to report, or a wish to stop."""


class LauncherError(Exception):
    """Something the person at the keyboard can put right; the message says how."""


class PortTaken(LauncherError):
    """Another process listens where the web server should."""

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} is taken. Set PORT to another one.")


class StopRequested(Exception):
    """SIGINT, SIGTERM or SIGHUP arrived while the launcher waited for something."""
