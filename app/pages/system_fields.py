"""The form of a system: the fields of its channel, and those that every system has."""

from __future__ import annotations

from functools import cache

from app.channels import channel
from app.pages import derived
from app.pages.fields import Field
from app.pages.forms import Form
from app.services.systems import LONGEST_NAME, MAIL_KINDS

_NAME = Field("/name", "System Name", "text", required=True, longest=LONGEST_NAME)
_VERSION = Field(
    "/version",
    "Version",
    "text",
    help="N/A, as it is not required.",
    default="N/A",
    value="N/A",
    more=True,
)
_FALLBACK = Field(
    "/fallback",
    "Fallback System",
    "select",
    help="Is told once when this one cannot deliver.",
    nullable=True,
    more=True,
)


_POLICY = Field(
    "/retryPolicy/policy",
    "Retry Policy",
    "select",
    help="Of every subscription that has none of its own. In any case a message is given up after "
    "3 days.",
    choices=[
        ("", "Bounded, 3 retries, 10 seconds apart (default)"),
        ("None", "None: one single retry"),
        ("Bounded", "Bounded: a number of retries"),
        ("Always", "Always: until 3 days are over"),
    ],
    nullable=True,
    group="/retryPolicy",
    needed=True,
)
_NUMBER = Field(
    "/retryPolicy/retryNumber",
    "Retries",
    "number",
    help="From 1 to 1,000.",
    default=3,
    value="3",
    shown_when={"/retryPolicy/policy": ["Bounded"]},
    group="/retryPolicy",
)
_DELAY = Field(
    "/retryPolicy/retryDelay",
    "Retry Delay",
    "number",
    help="Seconds between two retries, from 1 to 259,200.",
    default=10,
    value="10",
    shown_when={"/retryPolicy/policy": ["Bounded", "Always"]},
    group="/retryPolicy",
)
# It has a button of its own: the old secret goes on signing for a while.
_ROTATED = "/secrets/previousSigningSecret"


@cache
def form(kind: str) -> Form:
    """Return the empty form of a kind of system, as its channel describes it."""
    spoken = channel(kind)
    options = derived.derive(spoken.options, "/options")
    secrets = derived.derive(spoken.secrets, "/secrets", about="/options")
    secrets = [one for one in secrets if one.pointer != _ROTATED]
    # A secret stands behind the field that it belongs to: the last one with the same condition.
    for secret in secrets:
        alike = [at for at, one in enumerate(options) if one.shown_when == secret.shown_when]
        options.insert(alike[-1] + 1 if alike and secret.shown_when else len(options), secret)
    retries = [] if kind in MAIL_KINDS else [_POLICY, _NUMBER, _DELAY]
    return Form.made(_NAME, *options, *retries, _VERSION, _FALLBACK)


@cache
def policy_form() -> Form:
    """Return the empty form of the retry policy of one subscription."""
    form = Form.made(_POLICY, _NUMBER, _DELAY)
    choices = [("", "As the system has it"), *_POLICY.choices[1:]]
    return form.changed("/retryPolicy/policy", choices=choices, help="")
