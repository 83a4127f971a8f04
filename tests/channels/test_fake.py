"""The shipped fake: outcomes as scripted, in order, and what was sent."""

from __future__ import annotations

import pytest

from app.channels import CHANNELS, channel
from app.channels.base import ChannelError, Outgoing, Receipt
from app.channels.fake import FakeChannel, FakeOptions
from app.domain.kinds import Fail, RecipientState
from app.secrets import Secret
from app.shapes import parse

MESSAGE = Outgoing("a@b.org", ("c@d.org", "e@f.org"), b"x")


def error() -> ChannelError:
    return ChannelError("No.", reason=Fail.SERVER_ERROR, endpoint=True)


def test_without_a_script_everything_is_accepted() -> None:
    fake = FakeChannel()
    session = fake.connect(parse(FakeOptions, {}), {"token": Secret("x")})
    receipt = session.send(MESSAGE)
    session.close()

    assert [verdict.state for verdict in receipt.recipients] == [RecipientState.ACCEPTED] * 2
    assert (fake.sent, fake.opened, fake.closed) == ([MESSAGE], 1, 1)


def test_outcomes_come_in_order_and_then_all_is_well() -> None:
    fake = FakeChannel()
    fake.opens.extend([error(), None])
    fake.outcomes.extend([error(), Receipt(202, "queued"), lambda message: Receipt(201, "made")])

    with pytest.raises(ChannelError):
        fake.connect(FakeOptions(), {})
    session = fake.connect(FakeOptions(), {})
    with pytest.raises(ChannelError):
        session.send(MESSAGE)
    assert [session.send(MESSAGE).status for _ in range(3)] == [202, 201, 250]
    assert len(fake.sent) == 4


def test_it_stands_in_for_a_kind_only_where_a_test_puts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHANNELS, "fake", FakeChannel())

    assert channel("fake").longest(FakeOptions()) == 30.0
