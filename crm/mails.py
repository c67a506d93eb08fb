"""The mails that leave from here. Where no server is configured, or it refuses, the caller shows the link instead."""

from __future__ import annotations

import datetime as dt
import logging
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _

from crm.languages import speaking_to
from crm.models import Invitation, Membership

logger = logging.getLogger(__name__)


def send_invitation(invitation: Invitation, link: str) -> bool:
    """Mail the link to the person; whether it left."""
    if not settings.MAILS:
        return False
    company = " ".join(invitation.company.name.split())
    with speaking_to(None, invitation.company):
        text = render_to_string("crm/mails/invitation.txt", {"invitation": invitation, "link": link})
        subject = _("Join {company} in LeadMachine").format(company=company)
    try:
        send_mail(subject, text, None, [invitation.email])
    except (SMTPException, OSError) as error:
        logger.warning("A mail did not leave (%s). Its link was shown instead.", type(error).__name__)
        return False
    return True


def send_digest(membership: Membership, digest: object, now: dt.datetime) -> None:
    """Mail somebody what the day holds. Raises what the mail server says."""
    company = " ".join(membership.company.name.split())
    with speaking_to(membership.user, membership.company):
        text = render_to_string("crm/mails/digest.txt", {"digest": digest, "public_url": settings.PUBLIC_URL})
        weekday = str(WEEKDAYS[now.weekday()])
        subject = _("{weekday}: your tasks at {company}").format(weekday=weekday, company=company)
    send_mail(subject, text, None, [membership.user.email])
