"""EMAIL_URL: what each form of it means, and what is refused without repeating a password."""

from __future__ import annotations

import pytest

from leadmachine.env import Misconfigured
from leadmachine.mail import Mail, mail


def test_without_a_url_nothing_is_mailed() -> None:
    assert mail(None) == mail("") == Mail()
    assert "dummy" in Mail().backend


@pytest.mark.parametrize(
    ("url", "host", "port", "starts_tls", "is_tls"),
    [
        ("smtp+tls://mail.example", "mail.example", 587, True, False),
        ("smtps://mail.example", "mail.example", 465, False, True),
        ("smtp://127.0.0.1", "127.0.0.1", 25, False, False),
        ("smtp+tls://mail.example:2525", "mail.example", 2525, True, False),
    ],
)
def test_the_scheme_says_how_it_is_protected(
    url: str, host: str, port: int, starts_tls: bool, is_tls: bool
) -> None:
    found = mail(url)
    assert (found.host, found.port, found.starts_tls, found.is_tls) == (host, port, starts_tls, is_tls)
    assert found.backend.endswith("smtp.EmailBackend")
    assert found.sender == f"leadmachine@{host}"


def test_user_password_and_sender_are_unquoted() -> None:
    found = mail("smtps://crm%40acme.test:p%40ss%2Fword@mail.example?from=CRM%20%3Ccrm%40acme.test%3E")
    assert (found.user, found.password) == ("crm@acme.test", "p@ss/word")
    assert found.sender == "CRM <crm@acme.test>"


def test_console_prints() -> None:
    assert "console" in mail("console:").backend


@pytest.mark.parametrize(
    "url", ["mail.example", "http://mail.example", "smtp://", "smtp://u:s3cret@mail.example:port", "smtps:"]
)
def test_what_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(Misconfigured) as refusal:
        mail(url)
    assert "EMAIL_URL" in str(refusal.value)
    assert "s3cret" not in str(refusal.value)
