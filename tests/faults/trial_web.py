"""The web tier: a killed gunicorn worker is replaced, and the other one goes on."""

from tests.deployment.processes import wait_for
from tests.faults.conftest import Trials


def test_a_gunicorn_worker_is_killed(trials: Trials) -> None:
    title = "kill -9 of a gunicorn worker"
    with trials(name="web", title=title, longest_outage=5) as trial:
        dead = trial.stack.web_worker()
        dead.kill()
        wait_for(
            lambda: (
                dead.pid not in {w.pid for w in trial.stack.service("gunicorn").children()}
                and len(trial.stack.service("gunicorn").children()) == 2
            ),
            what="a new gunicorn worker",
        )
