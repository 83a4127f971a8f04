"""What a sink is told to answer, and how slowly."""

from __future__ import annotations

from dataclasses import dataclass, field

DROP = "drop"  # as a reply: close the connection instead
SILENCE = "silence"  # as a reply: say nothing, keep the connection


@dataclass
class Script:
    """What the sink answers; changed at any time, it holds from the next command on.

    A reply is a line such as "451 4.3.0 later", DROP or SILENCE. Verbs: CONNECT, EHLO, HELO, MAIL,
    RCPT, DATA, DOT (the end of the mail), RSET, QUIT and what else a client may say.
    """

    replies: dict[str, str] = field(default_factory=dict)
    once: dict[str, list[str]] = field(default_factory=dict)  # used up before `replies`
    recipients: dict[str, str] = field(default_factory=dict)  # reply to RCPT by address
    delays: dict[str, float] = field(default_factory=dict)  # seconds before a verb's reply
    drip: float = 0.0  # seconds between the bytes of a reply
    greylist: bool = False  # 450 at the first RCPT of an address, then its reply
    black_hole: bool = False  # take connections, never speak
    silent_taker: bool = False  # keep a mail although the answer to it is DROP or SILENCE
    deaf: bool = False  # never read the body of a mail
    size: int = 0  # announced as SIZE, and kept to
    extensions: list[str] = field(default_factory=lambda: ["PIPELINING", "8BITMIME"])
