"""The mails that leave from here. Where no server is configured, or it refuses, the caller shows the link instead."""

from __future__ import annotations

import logging
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string

from crm.models import Invitation

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
