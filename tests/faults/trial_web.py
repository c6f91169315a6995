"""The web tier: a killed web process is replaced, and the other one goes on."""

from tests.deployment.processes import wait_for
from tests.faults.conftest import Trials


def test_a_web_process_is_killed(trials: Trials) -> None:
    title = "kill -9 of a web process"
    with trials(name="web", title=title, longest_outage=5) as trial:
        dead = trial.stack.web_worker()
        dead.kill()
        wait_for(
            lambda: (
                dead.pid not in {w.pid for w in trial.stack.service("exchange_poc.web").children()}
                and len(trial.stack.service("exchange_poc.web").children()) == 2
            ),
            what="a new web process",
        )
