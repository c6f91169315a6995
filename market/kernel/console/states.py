"""The buttons of a page that change a trading state, one for each state."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.http import HttpRequest, HttpResponse
from unfold.enums import ActionVariant

from market.kernel.console.actions import ReasonForm, row_action
from market.kernel.states import TradingState

View = Callable[..., HttpResponse]
#: Sets the state of a page's row for the reason given, and returns the sentence that tells of it.
SetState = Callable[[HttpRequest, Any, TradingState, str], str]

VARIANTS: Final = {
    TradingState.HALTED: ActionVariant.DANGER,
    TradingState.REDUCING: ActionVariant.WARNING,
    TradingState.ACTIVE: ActionVariant.SUCCESS,
}
#: Which state the action of a name leads to.
LEADS_TO: Final = {
    "halt": TradingState.HALTED,
    "suspend": TradingState.HALTED,
    "reduce": TradingState.REDUCING,
    "resume": TradingState.ACTIVE,
}


@dataclass(frozen=True, slots=True)
class StateButton:
    """A button by the name of its action, which says where it leads, and what its dialog asks."""

    name: str
    title: str
    question: str
    icon: str


def halts(
    question: str, *, name: str = "halt", title: str = "Halt", icon: str = "front_hand"
) -> StateButton:
    return StateButton(name, title, question, icon)


def reduces(question: str) -> StateButton:
    return StateButton("reduce", "Only reduce", question, "trending_down")


def resumes(question: str, *, title: str = "Resume") -> StateButton:
    return StateButton("resume", title, question, "play_circle")


def state_actions(
    set_state: SetState, *, permission: str, buttons: Iterable[StateButton]
) -> list[View]:
    """Return the actions of a page's buttons, in their order; each asks why.

    A page has each under the name of its button. ``permission`` is as of ``row_action``.
    """
    return [state_action(set_state, permission, button) for button in buttons]


def state_action(set_state: SetState, permission: str, button: StateButton) -> View:
    state = LEADS_TO[button.name]

    def run(page: Any, request: HttpRequest, form: forms.Form, row: Any) -> str:
        return set_state(request, row, state, form.cleaned_data["reason"])

    run.__name__ = button.name
    return row_action(
        title=button.title,
        question=button.question,
        permission=permission,
        icon=button.icon,
        variant=VARIANTS[state],
        form_class=ReasonForm,
    )(run)


def but_useless(actions: Iterable[Any], present: TradingState) -> list[Any]:
    """Return the actions without the one that leads where one is."""
    return [one for one in actions if LEADS_TO.get(one.method.__name__) != present]
