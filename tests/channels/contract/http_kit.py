"""What every HTTP channel must keep besides: statuses, redirects, names, TLS, secrets."""

from __future__ import annotations

import json
import socket
from abc import abstractmethod
from typing import Any
from urllib.parse import quote

import pytest

from app.channels.base import Channel, ChannelError, Receipt
from app.channels.dialling import Resolver
from app.domain.kinds import Fail
from tests.channels.contract.kit import ChannelContract
from tests.servers import certificates
from tests.servers.certificates import Made
from tests.servers.http_sink import HttpSink, answer

STATUSES = (101, *range(200, 600))
WITHOUT_BODY = (204, 304)


class HttpContract(ChannelContract):
    """Subclass it as Test…; `origin` is where options and secrets lead to."""

    scheme, host = "http", "127.0.0.1"
    resolver: Resolver | None = None

    @property
    def channel(self) -> Channel:
        """The channel under test, allowed to reach loopback."""
        return self.made(self.resolver)

    @abstractmethod
    def made(self, resolver: Resolver | None) -> Channel:
        """Return the channel, allowed to reach loopback; `resolver`: what looks names up."""

    def origin(self, port: int) -> str:
        """Return scheme, host and port of the server under test."""
        return f"{self.scheme}://{self.host}:{port}"

    def _ends(self, sink: HttpSink) -> Receipt | ChannelError:
        try:
            return self.attempt(sink.port)
        except ChannelError as error:
            return error

    def test_every_status_is_a_receipt_or_an_error_that_says_what_to_do(self) -> None:
        """No status is taken for another, and none of them raises anything else."""
        with HttpSink() as sink:
            for status in STATUSES:
                body = b"" if status in WITHOUT_BODY or status < 200 else self.canary.encode()
                said = answer(status, body)
                sink.script = lambda _, said=said: said  # type: ignore[misc]
                ended = self._ends(sink)
                shown = f"{ended!r} {ended} {ended.answer} {ended.transcript}"

                assert self.canary not in shown, status
                assert ended.status == status
                assert str(status) in ended.answer
                if isinstance(ended, ChannelError):
                    assert ended.advice, status
                    assert "\n" not in str(ended)
                    assert not (ended.permanent and (ended.endpoint or status >= 500)), status
                else:
                    assert status // 100 == 2

    @pytest.mark.parametrize("status", [100, 102, 103, 199])
    def test_an_interim_answer_is_not_the_answer(self, status: int) -> None:
        """What counts is what comes after it."""
        interim = f"HTTP/1.1 {status} Wait\r\n\r\n".encode()
        with HttpSink(lambda _: interim + answer(503, b"later")) as sink:
            error = self.failure(sink.port)

        assert error.status == 503

    @pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
    def test_what_may_pass_is_the_endpoints_fault_and_not_final(self, status: int) -> None:
        """Retried by the policy, not before the time that the endpoint asks for."""
        with HttpSink(lambda _: answer(status, b"not now", Retry_After="7")) as sink:
            error = self.failure(sink.port)

        assert (error.endpoint, error.permanent, error.retry_after) == (True, False, 7)
        if status == 429:
            assert error.reason is Fail.RATE_LIMITED

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_not_followed(self, status: int) -> None:
        """A message goes where the admin said, and nowhere else."""
        with HttpSink() as target, HttpSink() as sink:
            location = f"http://127.0.0.1:{target.port}/"
            sink.script = lambda _: answer(status, b"", Location=location)
            error = self.failure(sink.port)

        assert error.reason is Fail.CLIENT_ERROR
        assert target.connections == 0

    def test_an_answer_that_repeats_the_request_is_shown_without_secrets(self) -> None:
        """However it spells them."""
        with HttpSink() as sink:
            for spelt in (str, quote, json.dumps):
                sink.script = lambda got, how=spelt: answer(  # type: ignore[misc]
                    500, f"{got.path} {how(got.path)} {got.headers} {self.canary}".encode()
                )
                self.failure(sink.port)

    def test_a_name_that_is_not_known_is_told(self) -> None:
        """With the field to check."""

        def unknown(host: str, port: int) -> list[str]:
            raise socket.gaierror(socket.EAI_NONAME, "no")

        self.host, self.resolver = "no.test", unknown
        error = self.failure(443)

        assert (error.reason, error.endpoint) == (Fail.DNS, True)
        assert "no.test" in str(error)

    @pytest.mark.parametrize(
        "made",
        [certificates.self_signed(), certificates.expired(), certificates.wrong_name()],
        ids=["self-signed", "expired", "wrong name"],
    )
    def test_a_certificate_that_is_wrong_ends_before_anything_is_sent(self, made: Made) -> None:
        """TLS is verified."""
        self._over_tls()
        with HttpSink(tls=made.server_context()) as sink:
            error = self.failure(sink.port)

        assert (error.reason, error.endpoint) == (Fail.TLS, True)
        assert sink.requests == []

    def test_a_private_ca_is_trusted_where_it_is_given(self) -> None:
        """Options that every HTTP kind has."""
        self._over_tls()
        self.more = {"caPem": certificates.authority().pem}
        with HttpSink(tls=certificates.right().server_context()) as sink:
            self._ends(sink)

        assert len(sink.requests) == 1

    def test_a_check_sends_nothing_and_goes_as_far_as_it_gets(self) -> None:
        """Name, address, connection and certificate."""
        with self.good() as server:
            steps = self.channel.check_connection(
                self.parsed(server.port), self.secrets_at(server.port)
            )

        assert [step.name for step in steps] == ["dns", "address", "tcp", "tls"]
        assert all(step.ok is not False for step in steps)
        assert self.canary not in repr(steps)

    def _over_tls(self) -> None:
        self.scheme, self.host = "https", "localhost"
        self.resolver = lambda host, port: ["127.0.0.1"]

    more: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed
