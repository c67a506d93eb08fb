"""The first page of a fresh install: makes the company and its owner. Needs no e-mail server."""

from __future__ import annotations

from typing import Final

from allauth.account.views import login as sign_in_page
from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from crm.actions.companies import create_company
from crm.actions.people import create_owner
from crm.forms import SetupForm, show_refusal
from crm.models import User
from crm.sign_in_with import let_forms_leave

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@login_not_required
def sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page; before anybody has an account, the first-run page in its place."""
    if is_first_run():
        return redirect("setup")
    answer: HttpResponse = sign_in_page(request)
    return let_forms_leave(answer)


@login_not_required
@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "HEAD", "POST"])
def setup(request: HttpRequest) -> HttpResponse:
    """Make the first company and sign its owner in. Works once: afterwards there is nothing to set up."""
    if not is_first_run():
        return redirect("home")
    form = SetupForm(request.POST or None, asks_code=asks_code())
    if request.method == "POST" and form.is_valid():
        owner = _made_owner(form)
        if owner:
            login(request, owner, backend=settings.AUTHENTICATION_BACKENDS[0])
            return redirect("home")
    return render(request, "crm/setup.html", {"form": form}, status=422 if form.errors else 200)


def is_first_run() -> bool:
    """Whether nobody can sign in yet."""
    return not User.objects.exists()


def asks_code() -> bool:
    """A server that others can reach asks for its code, so that no stranger gets there first."""
    return bool(settings.SETUP_CODE) or settings.HOST not in LOOPBACK


def _made_owner(form: SetupForm) -> User | None:
    """The owner of the new company; None if something was refused, which the form then shows."""
    filled = form.cleaned_data
    try:
        with transaction.atomic():
            company = create_company(
                filled["company_name"], currency=filled["currency"], language=get_language()
            )
            return create_owner(
                company,
                filled["email"],
                filled["password"],
                first_name=filled["first_name"],
                last_name=filled["last_name"],
            )
    except ValidationError as refusal:
        show_refusal(form, refusal)
        return None
