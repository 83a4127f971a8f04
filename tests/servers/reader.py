"""A mail server to try with: prints what it gets. `python -m tests.servers.reader 2525`."""

from __future__ import annotations

import email
import email.policy
import sys
import threading

from tests.servers.mailbox import Box, Mail
from tests.servers.sink import Sink


class _Printed(Box):
    """Prints each mail as a person would read it."""

    def take(self, mail: Mail) -> None:
        """Print envelope, subject and text, and keep nothing."""
        message = email.message_from_bytes(mail.body, policy=email.policy.default)
        text = message.get_body(("plain",))
        print(f"\nTo {', '.join(mail.recipients)}: {message['Subject']}\n")
        print(text.get_content() if text else "(no text)", flush=True)


def main() -> None:
    """Serve on the loopback port that the command names, until Ctrl-C."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 2525
    with Sink(box=_Printed(), port=port) as sink:
        print(f"Waiting for mail on 127.0.0.1:{sink.port}; Ctrl-C ends it.", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
