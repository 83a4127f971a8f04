"""One SMTP connection: commands out, replies in, with a masked transcript."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence

from app.channels.base import ChannelError
from app.channels.deadlines import Stream
from app.channels.smtp_breaks import GREETING, Break, broken, ended, foreign, injected
from app.channels.smtp_replies import CHALLENGE, CLOSING, Reply, receive
from app.channels.smtp_transcript import Transcript
from app.domain.kinds import Fail

PIPELINING = "PIPELINING"


class Wire:
    """A connection; smtplib bounds neither time nor lines. `stage` names what is under way.

    `maybe_sent` holds from the final dot until its answer was read. Every method raises
    ChannelError; when the connection was lost, it is closed.
    """

    def __init__(self, stream: Stream, where: str) -> None:
        self.stream, self.where, self.stage = stream, where, GREETING
        self.closed = self.maybe_sent = False
        self.features: dict[str, str] = {}
        self.transcript = Transcript()

    def command(self, line: str, *, shown: str | None = None, stage: str | None = None) -> Reply:
        """Send one line and return its reply; `shown` is what the transcript says instead."""
        self.stage = stage or line.partition(":")[0]
        self._send([line], shown)
        return self.read(masked=shown is not None)

    def converse(self, lines: Sequence[str]) -> Iterator[Reply]:
        """Yield the reply to each line; in one write where the server pipelines (RFC 2920)."""
        if PIPELINING not in self.features:
            yield from map(self.command, lines)
            return
        self._send(lines)
        for line in lines:
            self.stage = line.partition(":")[0]
            yield self.read()

    def _send(self, lines: Sequence[str], shown: str | None = None) -> None:
        for line in lines:
            self.transcript.client(shown or line)
        self.write("".join(f"{line}\r\n" for line in lines).encode())

    def write(self, data: bytes) -> None:
        """Send `data` whole."""
        try:
            self.stream.write(data)
        except OSError as error:
            raise self._broken(error) from error

    def read(self, *, masked: bool = False) -> Reply:
        """Return the next reply, at most 64 KiB of it; `masked` hides a challenge; 421 raises."""
        try:
            reply = receive(self.stream.line, self.transcript.clean)
        except OSError as error:
            raise self._broken(error) from error
        except ValueError as error:
            raise self._lost(foreign(self.where, error)) from error
        self.transcript.server("334 ***" if masked and reply.code == CHALLENGE else str(reply))
        self.maybe_sent = False
        if reply.code == CLOSING:
            raise self._lost(ended(self.where, reply), reply)
        return reply

    def encrypt(self, context: ssl.SSLContext, host: str) -> None:
        """Go on under TLS; EHLO must follow, as what was said in clear text counts no more."""
        if self.stream.unread:
            raise self._lost(injected(self.where))
        try:
            self.stream.encrypt(context, host)
        except ChannelError as error:
            raise self._lost(Break(error.cause, error.reason, error.advice)) from error
        self.transcript.note("TLS is on")

    def _broken(self, error: OSError) -> ChannelError:
        return self._lost(broken(self.where, self.stage, error))

    def _lost(self, why: Break, reply: Reply | None = None) -> ChannelError:
        """Close, and return the error to raise; it says whether the mail may have been sent."""
        self.close()
        cause = f"{why.cause} The mail may have been sent." if self.maybe_sent else why.cause
        error = self.refused(cause, why.reason, reply, advice=why.advice)
        error.maybe_sent = self.maybe_sent
        return error

    def refused(
        self,
        cause: str,
        reason: Fail,
        reply: Reply | None = None,
        *,
        advice: str = "",
        endpoint: bool = True,
    ) -> ChannelError:
        """Return the error of a refusal, with the conversation so far."""
        if not reply:
            self.transcript.note(cause)
        return ChannelError(
            cause,
            reason=reason,
            endpoint=endpoint,
            advice=advice,
            permanent=reason is Fail.TOO_LARGE,
            status=reply.code if reply else 0,
            answer=str(reply or ""),
            transcript=self.transcript.text(),
        )

    def close(self) -> None:
        """Close, once or twice."""
        self.closed = True
        self.stream.close()
