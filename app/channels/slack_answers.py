"""What Slack's answers to an incoming webhook mean; its words for errors are documented."""

from __future__ import annotations

from app.channels.base import ChannelError, Receipt
from app.channels.http_answers import Answer, phrase
from app.domain.kinds import Fail

OK, _TAKEN = 200, "ok"
FINAL = frozenset((400, 403, 404, 410))
_NEW_HOOK = "Make a new incoming webhook in Slack, and give its URL."
_OURS = "That is a fault of Tocsin: please report it, with the event."
_ADMIN = "An admin of the Slack workspace can allow it, or give the URL of a webhook elsewhere."
_CHANNEL = "Give the URL of a webhook for another channel."
WORDS = {
    "invalid_payload": ("does not understand the message", _OURS),
    "invalid_blocks": ("does not take the blocks of the message", _OURS),
    "invalid_blocks_format": ("does not take the blocks of the message", _OURS),
    "invalid_attachments": ("does not take the attachments of the message", _OURS),
    "no_text": ("found no text in the message", _OURS),
    "missing_text_or_fallback_or_attachments": ("found no text in the message", _OURS),
    "msg_too_long": ("finds the message too long", _OURS),
    "too_many_attachments": ("finds too many attachments in the message", _OURS),
    "user_not_found": ("does not know the person that the webhook posts to", _NEW_HOOK),
    "invalid_token": ("does not know this URL", "Check the Webhook URL, or make a new webhook."),
    "no_service": ("knows no webhook of this URL: it was revoked, or is misspelt", _NEW_HOOK),
    "no_service_id": ("misses a part of the URL", "Copy the whole Webhook URL from Slack."),
    "no_team": ("knows no workspace of this URL", "Copy the whole Webhook URL from Slack."),
    "no_team_id": ("misses a part of the URL", "Copy the whole Webhook URL from Slack."),
    "no_active_hooks": (
        "has switched the webhook off",
        "Switch it on in Slack.",
    ),
    "team_disabled": ("has the workspace closed or suspended", _NEW_HOOK),
    "channel_is_archived": ("has archived the channel", f"Unarchive it in Slack. {_CHANNEL}"),
    "channel_not_found": ("does not find the channel: it was deleted, or is private", _CHANNEL),
    "action_prohibited": ("does not let webhooks post there", _ADMIN),
    "posting_to_general_channel_denied": ("lets webhooks not post to #general", _ADMIN),
}
_ADVICE = {
    401: "Check the Webhook URL, and whether something between asks for a login.",
    403: "Check the Webhook URL, and whether something between forbids to post there.",
    404: "Check the Webhook URL.",
    405: "Check the Webhook URL.",
    410: _NEW_HOOK,
    413: "Does something between limit the size of requests? Slack takes more.",
    429: "Slack takes about one message a second for each webhook: Tocsin waits as long as asked.",
}
_FOREIGN = "Does the Webhook URL lead to Slack, or does something between answer in its place?"


def judged(answer: Answer) -> Receipt:
    """Return the receipt of a message that is in its channel: 200 and ok; raises ChannelError."""
    if answer.ok:
        return _receipt(answer)
    meaning = WORDS.get(answer.text) if answer.status in FINAL else None
    if meaning is None:
        raise answer.refusal(advice=_ADVICE.get(answer.status, ""))
    cause, advice = meaning
    raise ChannelError(
        f"Slack {cause} ({answer.text}).",
        reason=Fail.AUTH_ERROR if answer.status == 403 else Fail.CLIENT_ERROR,  # noqa: PLR2004
        endpoint=False,
        advice=advice,
        permanent=True,
        status=answer.status,
        answer=answer.line,
    )


def _receipt(answer: Answer) -> Receipt:
    if answer.status == OK and answer.text == _TAKEN:
        return Receipt(answer.status, answer.line, confirmed=True)
    raise ChannelError(
        f"{answer.where} answered {phrase(answer.status)}, and not with ok as Slack does. "
        "The message may have been taken.",
        reason=Fail.OTHER,
        endpoint=True,
        advice=_FOREIGN,
        maybe_sent=True,
        status=answer.status,
        answer=answer.line,
    )
