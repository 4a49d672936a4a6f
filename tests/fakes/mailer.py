"""A sender of mails in memory."""

from chalicelib.domain.errors import MailRefused
from chalicelib.domain.invitation_mails import Mail


class FakeMailer:
    """Keeps what was ``sent``; refuses where ``refuses`` is set."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []
        self.refuses = False

    def send(self, mail: Mail) -> None:
        if self.refuses:
            raise MailRefused("SES refused the mail: MessageRejected.")
        self.sent.append(mail)
