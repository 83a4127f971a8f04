"""Signatures of Standard Webhooks 1.0.0: who posted a message, and that nobody changed it."""

from __future__ import annotations

from collections.abc import Mapping

from standardwebhooks import Webhook

from app.clock import utc_now
from app.secrets import Secret

# While a secret is replaced both sign, the new one first.
_NAMES = ("signingSecret", "previousSigningSecret")


class Signer:
    """Signs for one system; without secrets a message goes unsigned."""

    def __init__(self, secrets: Mapping[str, Secret]) -> None:
        found = (secrets.get(name) for name in _NAMES)
        self._signers = [Webhook(secret.reveal()) for secret in found if secret]

    def headers(self, message_id: str, body: bytes) -> dict[str, str]:
        """Return id, time of this attempt, and signatures over the very bytes of `body` (UTF-8)."""
        now = utc_now()
        made = {"webhook-id": message_id, "webhook-timestamp": str(int(now.timestamp()))}
        if self._signers:
            text = body.decode()  # the package takes text, and encodes it to the same bytes
            signed = (one.sign(message_id, now, text) for one in self._signers)
            made["webhook-signature"] = " ".join(signed)
        return made
