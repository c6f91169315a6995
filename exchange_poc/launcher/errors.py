"""What ends a launcher command early: a failure to report, or a wish to stop."""


class LauncherError(Exception):
    """Something the person at the keyboard can put right; the message says how."""


class StopRequested(Exception):
    """SIGINT, SIGTERM or SIGHUP arrived while the launcher waited for something."""
