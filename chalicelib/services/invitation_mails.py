"""Mails of invitations, where the deployment has an address that sends them."""

from dataclasses import dataclass

from chalicelib.domain.accounts import Account
from chalicelib.domain.invitation_mails import MAILS_A_DAY, MailOutcome, invitation_mail
from chalicelib.domain.users import Invitation, User
from chalicelib.services.ports import Clock, Mailer, Users


@dataclass(frozen=True, slots=True)
class InvitationMailService:
    """``mailer`` is None where no mails are sent."""

    users: Users
    mailer: Mailer | None
    now: Clock

    @property
    def is_on(self) -> bool:
        return self.mailer is not None

    def send(self, invitation: Invitation, account: Account, inviter: User, url: str) -> MailOutcome:
        """Tell the invited person; at once, so that the owner learns of a failure.

        Args:
            url: of the page where they sign in.

        Raises:
            MailRefused: it was not sent.
        """
        if self.mailer is None:
            return MailOutcome.OFF
        if not self.users.count_mail(account.uuid, self.now(), MAILS_A_DAY):
            return MailOutcome.TOO_MANY
        self.mailer.send(invitation_mail(invitation, account.name, inviter, url))
        return MailOutcome.SENT
