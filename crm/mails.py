"""The mails that leave from here. Where no server is configured, or it refuses, the caller shows the link instead."""

from __future__ import annotations

import datetime as dt
import logging
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string

from crm.models import Invitation, Membership

logger = logging.getLogger(__name__)


def send_invitation(invitation: Invitation, link: str) -> bool:
    """Mail the link to the person; whether it left."""
    if not settings.MAILS:
        return False
    company = " ".join(invitation.company.name.split())
    text = render_to_string("crm/mails/invitation.txt", {"invitation": invitation, "link": link})
    try:
        send_mail(f"Join {company} in LeadMachine", text, None, [invitation.email])
    except (SMTPException, OSError) as error:
        logger.warning("A mail did not leave (%s). Its link was shown instead.", type(error).__name__)
        return False
    return True


def send_digest(membership: Membership, digest: object, now: dt.datetime) -> None:
    """Mail somebody what the day holds. Raises what the mail server says."""
    text = render_to_string("crm/mails/digest.txt", {"digest": digest, "public_url": settings.PUBLIC_URL})
    subject = f"{now:%A}: your tasks at {' '.join(membership.company.name.split())}"
    send_mail(subject, text, None, [membership.user.email])
