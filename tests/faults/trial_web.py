"""The web tier: a killed gunicorn worker is replaced, and the other one goes on."""

from tests.faults.conftest import Trials

from tests.deployment.processes import wait_for  # isort: skip


def test_a_gunicorn_worker_is_killed(trials: Trials) -> None:
    with trials(name="web", title="kill -9 of a gunicorn worker") as trial:
        dead = trial.stack.web_worker()
        dead.kill()
        wait_for(
            lambda: (
                dead.pid not in {w.pid for w in trial.stack.service("gunicorn").children()}
                and len(trial.stack.service("gunicorn").children()) == 2
            ),
            what="a new gunicorn worker",
        )
