"""The contract of every sender of mails: one suite, run on the fake and on the emulator's SES."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.factory import MAIL_CLIENT
from chalicelib.adapters.ses.mailer import SESMailer
from chalicelib.domain.errors import MailRefused
from chalicelib.domain.invitation_mails import Mail
from chalicelib.services.ports import Mailer
from infra.emulator import Emulator
from infra.localhost import HOST, free_port
from tests.fakes.mailer import FakeMailer

MAIL = Mail("jo@example.com", "Größe & <b>", "Grüße\nhttps://a.example/", "<p>Grüße &amp; mehr</p>")


class MailerContract:
    @pytest.fixture
    def mailer(self) -> Mailer:
        raise NotImplementedError

    @pytest.fixture
    def refusing(self) -> Mailer:
        """A sender whose mails are refused."""
        raise NotImplementedError

    def test_a_mail_is_sent(self, mailer: Mailer):
        mailer.send(MAIL)
        mailer.send(MAIL)

    def test_a_mail_that_is_refused_raises_with_the_reason(self, refusing: Mailer):
        with pytest.raises(MailRefused, match="MessageRejected"):
            refusing.send(MAIL)


class TestFake(MailerContract):
    @pytest.fixture
    def mailer(self) -> Mailer:
        return FakeMailer()

    @pytest.fixture
    def refusing(self) -> Mailer:
        mailer = FakeMailer()
        mailer.refuses = True
        return mailer


class TestSES(MailerContract):
    @pytest.fixture
    def sender(self, aws: Callable[..., Any]) -> str:
        """An address whose domain is verified."""
        domain = f"{uuid4().hex}.example"
        aws("sesv2").create_email_identity(EmailIdentity=domain)
        return f"invitations@{domain}"

    @pytest.fixture
    def mailer(self, aws: Callable[..., Any], sender: str) -> Mailer:
        return SESMailer(lambda: aws("sesv2", config=MAIL_CLIENT), sender)

    @pytest.fixture
    def refusing(self, aws: Callable[..., Any]) -> Mailer:
        return SESMailer(lambda: aws("sesv2", config=MAIL_CLIENT), "somebody@unverified.example")

    def test_the_emulators_log_says_who_was_told(self, mailer: Mailer, sender: str, emulator: Emulator):
        before = emulator.log.read_text().count(sender)
        mailer.send(MAIL)
        lines = [line for line in emulator.log.read_text().splitlines() if sender in line]
        assert len(lines) == before + 1
        assert "Similarix" in lines[-1]
        assert MAIL.to in lines[-1]

    def test_no_answer_is_a_mail_that_was_not_sent(self, emulator: Emulator, sender: str):
        nowhere = emulator.session().client("sesv2", endpoint_url=f"http://{HOST}:{free_port()}", config=MAIL_CLIENT)
        with pytest.raises(MailRefused, match="did not answer"):
            SESMailer(lambda: nowhere, sender).send(MAIL)
