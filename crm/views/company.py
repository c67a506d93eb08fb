"""Changes which company's records a person sees."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from crm import audit
from crm.access import SESSION_COMPANY
from crm.actor import Actor
from crm.addresses import client_address
from crm.models import Membership
from crm.tenancy import company_scope, every_company
from crm.views.page import back_to


@require_POST
def switch_company(request: HttpRequest) -> HttpResponse:
    """Open another company of this person. One they do not belong to is a 404, like one that does not exist."""
    chosen = _uuid(request.POST.get("company", ""))
    with every_company():
        places = Membership.objects.filter(user=request.user.pk, is_active=True, company_id=chosen)
        place = places.select_related("company", "user").first()
    if place is None:
        raise Http404
    if request.session.get(SESSION_COMPANY) != str(chosen):
        actor = Actor("web", user=place.user, address=client_address(request))
        with company_scope(place.company):
            audit.record(actor, "company_switched", company=place.company)
    request.session[SESSION_COMPANY] = str(chosen)
    return HttpResponseRedirect(back_to(request, reverse("home")))


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Http404 from error
