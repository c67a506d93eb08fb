"""The admin panel: who gets in, what they see, and that what they change goes through the actions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from capi.models import ConversionEvent, Rule
from crm.actions import people
from crm.models import (
    Activity,
    ApiKey,
    AuditEntry,
    Company,
    Deal,
    Erasure,
    Lead,
    LeadStatus,
    Membership,
    Role,
    Stage,
    User,
)
from crm.tenancy import TenantModel, company_scope, every_company
from tests.factories import CompanyFactory, DealFactory, LeadFactory, RuleFactory, UserFactory, connect

pytestmark = pytest.mark.django_db
ClientOf = Callable[[User], Client]


@pytest.fixture
def operator(db: None) -> User:
    """Olga runs the installation."""
    return User.objects.create_superuser("olga@host.test", "a-long-enough-password")


@pytest.fixture
def world(company: Company, owner: User, other_company: Company) -> dict[type, models.Model]:
    """A row of every registered model in Acme, and the same in the other company."""
    for each in (company, other_company):
        with company_scope(each):
            _furnish(each)
    return _one_of_each(company)


def _furnish(company: Company) -> None:
    connect(company)
    RuleFactory(company=company)
    canary = f"{company.name} Lead"
    lead = LeadFactory(company=company, last_name=canary, organization=f"{company.name} Firm", tags=["VIP"])
    DealFactory(company=company, lead=lead, title=f"{company.name} Deal")
    people.create_api_key(company, f"{company.name} Key", ["read"])
    if not Membership.objects.exists():
        UserFactory(company=company, email="zoe@umbrella.test", role="owner")


def _one_of_each(company: Company) -> dict[type, models.Model]:
    found: dict[type, models.Model] = {}
    with company_scope(company):
        for model in admin.site._registry:
            rows = model._default_manager.all()
            if model is Company:
                rows = rows.filter(pk=company.pk)
            if model is User:
                rows = rows.filter(memberships__company=company)
            if row := rows.first():
                found[model] = row
    return found


def _page(model: type[models.Model], what: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{what}", args=args)


def _every_page(rows: dict[type, models.Model]) -> Iterator[str]:
    yield reverse("admin:index")
    for app in ("crm", "capi"):
        yield reverse("admin:app_list", args=[app])
    for model, row in rows.items():
        yield _page(model, "changelist")
        yield _page(model, "changelist") + "?q=x"
        yield _page(model, "add")
        for what in ("change", "delete", "history"):
            yield _page(model, what, row.pk)


def test_every_page_of_every_model_opens_for_the_operator(
    world: dict[type, models.Model], operator: User, client_of: ClientOf
) -> None:
    client = client_of(operator)
    for url in _every_page(world):
        assert client.get(url).status_code in (200, 403), url
    for model, row in world.items():
        assert client.get(_page(model, "changelist")).status_code == 200
        assert client.get(_page(model, "change", row.pk)).status_code == 200


def test_every_page_of_every_model_opens_for_the_owner_of_a_company(
    world: dict[type, models.Model], owner: User, client_of: ClientOf
) -> None:
    client = client_of(owner)
    for url in _every_page(world):
        assert client.get(url).status_code in (200, 403), url
    for model, row in world.items():
        assert client.get(_page(model, "change", row.pk)).status_code == 200, model


def test_every_registered_model_has_a_row_in_the_walk(world: dict[type, models.Model]) -> None:
    unseen = {model.__name__ for model in admin.site._registry} - {model.__name__ for model in world}
    assert unseen == {"AppHold"}, "add a row of it to the walk; AppHold is tested by itself"


@pytest.mark.parametrize("role", ["agent", "manager"])
def test_agents_and_managers_never_get_in(
    role: str, world: dict[type, models.Model], company: Company, client_of: ClientOf
) -> None:
    client = client_of(UserFactory(company=company, role=role))
    for url in _every_page(world):
        assert client.get(url).status_code in (302, 403), url


def test_an_agent_who_was_admin_once_sees_nothing(
    world: dict[type, models.Model], company: Company, agent: User, client_of: ClientOf
) -> None:
    User.objects.filter(pk=agent.pk).update(is_staff=True)
    client = client_of(agent)
    for model, row in world.items():
        assert client.get(_page(model, "changelist")).status_code == 403
        assert client.get(_page(model, "change", row.pk)).status_code == 403


def test_nobody_gets_in_without_signing_in(world: dict[type, models.Model]) -> None:
    for url in _every_page(world):
        assert Client().get(url).status_code == 302, url


def test_a_companys_owner_sees_no_row_of_another_company(
    world: dict[type, models.Model], owner: User, other_company: Company, client_of: ClientOf
) -> None:
    client = client_of(owner)
    for model, row in _one_of_each(other_company).items():
        listed = client.get(_page(model, "changelist")).content.decode()
        assert str(row.pk) not in listed, model
        assert "Umbrella" not in listed, model
        for what in ("change", "history", "delete"):
            answer = client.get(_page(model, what, row.pk))
            # Django's panel sends whoever asks for a missing row to its front page, whether it exists or not.
            assert answer.status_code in (302, 403, 404), (model, what)
            assert answer.headers.get("Location", "/admin/") == "/admin/"
        assert client.post(_page(model, "change", row.pk), {}).status_code in (302, 403, 404)


def test_nothing_of_another_company_can_be_chosen(
    world: dict[type, models.Model], owner: User, other_company: Company, client_of: ClientOf
) -> None:
    client = client_of(owner)
    for model in (Lead, Deal, Stage, Membership, Company):
        for url in (_page(model, "change", world[model].pk), _page(model, "add")):
            page = client.get(url).content.decode()
            with company_scope(other_company):
                foreign = [str(row.pk) for row in [*LeadStatus.objects.all(), *Stage.objects.all()]]
            assert not [pk for pk in foreign if pk in page], url


def test_the_operator_is_offered_the_rows_of_the_leads_own_company_only(
    world: dict[type, models.Model], operator: User, other_company: Company, client_of: ClientOf
) -> None:
    page = client_of(operator).get(_page(Lead, "change", world[Lead].pk)).content.decode()
    with company_scope(other_company):
        assert not [pk for pk in LeadStatus.objects.values_list("pk", flat=True) if str(pk) in page]
    assert str(LeadStatus.objects.get(key="qualified").pk) in page


def test_the_lead_search_of_a_deal_finds_own_leads_only(
    world: dict[type, models.Model], owner: User, client_of: ClientOf
) -> None:
    question = {"app_label": "crm", "model_name": "deal", "field_name": "lead", "term": "Lead"}
    found = client_of(owner).get(reverse("admin:autocomplete"), question).json()["results"]
    assert [result["text"] for result in found] == ["John Acme Lead"]


def _filled(client: Client, url: str, **changes: object) -> dict[str, object]:
    """The form as the page offers it, with these changes."""
    form = client.get(url).context["adminform"].form
    filled = {name: form[name].value() for name in form.fields}
    filled |= changes
    return {
        name: value if not isinstance(value, models.Model) else value.pk
        for name, value in filled.items()
        if value is not None and value is not False and value != ""
    }


def _errors(answer: object) -> dict[str, list[str]]:
    return answer.context["adminform"].form.errors  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("who", ["owner", "operator"])
def test_a_lead_set_to_qualified_here_fires_its_event(
    who: str, world: dict[type, models.Model], request: pytest.FixtureRequest, client_of: ClientOf
) -> None:
    RuleFactory(company=world[Lead].company, event="lead_qualified", conversion_id="23948812")  # type: ignore[attr-defined]
    user: User = request.getfixturevalue(who)
    url = _page(Lead, "change", world[Lead].pk)
    client = client_of(user)
    answer = client.post(url, _filled(client, url, status=LeadStatus.objects.get(key="qualified").pk))
    assert answer.status_code == 302, _errors(answer)
    lead = Lead.objects.get(pk=world[Lead].pk)
    assert lead.status.key == "qualified"
    assert ConversionEvent.objects.filter(lead=lead, event="lead_qualified").count() == 1
    assert lead.activities.get(kind="status").actor == user
    assert LogEntry.objects.filter(user=user, object_id=str(lead.pk)).count() == 1


def test_saving_a_lead_without_a_change_changes_nothing(
    world: dict[type, models.Model], owner: User, client_of: ClientOf
) -> None:
    client, url = client_of(owner), _page(Lead, "change", world[Lead].pk)
    before = world[Lead].activities.count()  # type: ignore[attr-defined]
    assert client.post(url, _filled(client, url)).status_code == 302
    assert Lead.objects.get(pk=world[Lead].pk).activities.count() == before


def test_a_lead_is_added_with_its_email_and_organization(
    world: dict[type, models.Model], owner: User, client_of: ClientOf
) -> None:
    client, url = client_of(owner), _page(Lead, "add")
    filled = _filled(
        client,
        url,
        first_name="Ada",
        last_name="Novak",
        email="ada@nova.test",
        organization_name="Nova Oy",
        status=LeadStatus.objects.get(key="new").pk,
    )
    answer = client.post(url, filled)
    assert answer.status_code == 302, _errors(answer)
    lead = Lead.objects.get(last_name="Novak")
    assert (lead.email, str(lead.organization), lead.origin) == ("ada@nova.test", "Nova Oy", "admin")


def test_what_an_action_refuses_stands_beside_the_field(
    world: dict[type, models.Model], owner: User, client_of: ClientOf
) -> None:
    client, url = client_of(owner), _page(Lead, "change", world[Lead].pk)
    answer = client.post(url, _filled(client, url, email="not an address", country_code="ZZ"))
    assert answer.status_code == 200
    assert "valid e-mail" in _errors(answer)["email"][0]


@pytest.mark.parametrize("who", ["owner", "operator"])
def test_a_deal_moved_to_closed_won_here_fires_its_event(
    who: str, world: dict[type, models.Model], request: pytest.FixtureRequest, client_of: ClientOf
) -> None:
    RuleFactory(company=world[Deal].company, event="deal_won", conversion_id="23948817")  # type: ignore[attr-defined]
    client, url = client_of(request.getfixturevalue(who)), _page(Deal, "change", world[Deal].pk)
    won = Stage.objects.get(pipeline__key="sales", key="closed-won")
    answer = client.post(url, _filled(client, url, stage=won.pk))
    assert answer.status_code == 302, _errors(answer)
    event = ConversionEvent.objects.get(event="deal_won")
    assert (event.deal_id, str(event.value), event.currency) == (world[Deal].pk, "1000.0000", "EUR")


def test_a_deal_is_not_lost_without_a_reason(
    world: dict[type, models.Model], owner: User, client_of: ClientOf
) -> None:
    client, url = client_of(owner), _page(Deal, "change", world[Deal].pk)
    lost = Stage.objects.get(pipeline__key="sales", key="closed-lost")
    answer = client.post(url, _filled(client, url, stage=lost.pk))
    assert "Say why the deal was lost." in str(_errors(answer)["close_reason"])
    answer = client.post(url, _filled(client, url, stage=lost.pk, close_reason="Price"))
    assert answer.status_code == 302
    assert Deal.objects.get(pk=world[Deal].pk).close_reason == "Price"


def test_a_conflict_is_said_above_the_form(
    world: dict[type, models.Model], owner: User, client_of: ClientOf
) -> None:
    client, url = client_of(owner), _page(Deal, "change", world[Deal].pk)
    won, lost = (Stage.objects.get(pipeline__key="sales", key=key) for key in ("closed-won", "closed-lost"))
    client.post(url, _filled(client, url, stage=won.pk))
    answer = client.post(url, _filled(client, url, stage=lost.pk, close_reason="Price"))
    assert "Reopen it first" in str(_errors(answer)["__all__"])


@pytest.mark.parametrize("amount", ["1e30", "NaN", "1,000", "-5", "1.234"])
def test_bad_amounts_are_refused_by_name(
    amount: str, world: dict[type, models.Model], owner: User, client_of: ClientOf
) -> None:
    client, url = client_of(owner), _page(Deal, "change", world[Deal].pk)
    assert "amount" in _errors(client.post(url, _filled(client, url, amount=amount)))


def test_archived_leads_leave_the_list(
    world: dict[type, models.Model], owner: User, client_of: ClientOf
) -> None:
    client = client_of(owner)
    answer = client.post(
        _page(Lead, "changelist"),
        {"action": "archive", "_selected_action": [str(world[Lead].pk)]},
        follow=True,
    )
    assert "1 leads were archived" in answer.content.decode()
    assert Lead.objects.get(pk=world[Lead].pk).is_archived
    assert "Acme Lead" not in client.get(_page(Lead, "changelist")).content.decode()


def test_an_owner_sets_up_the_company(
    world: dict[type, models.Model], company: Company, owner: User, client_of: ClientOf
) -> None:
    client, url = client_of(owner), _page(Company, "change", company.pk)
    answer = client.post(
        url,
        _filled(client, url, settle_minutes=5, internal_domains="acme.test\nacme.example", currency="SEK"),
    )
    assert answer.status_code == 302, _errors(answer)
    company.refresh_from_db()
    assert (company.settle_minutes, company.currency) == (5, "SEK")
    assert company.internal_domains == ["acme.test", "acme.example"]
    assert "settle_minutes" in _errors(client.post(url, _filled(client, url, settle_minutes=16)))
    assert "time_zone" in _errors(client.post(url, _filled(client, url, time_zone="Mars/Base")))


def test_only_the_operator_adds_companies(
    world: dict[type, models.Model], owner: User, operator: User, client_of: ClientOf
) -> None:
    assert client_of(owner).get(_page(Company, "add")).status_code == 403
    client, url = client_of(operator), _page(Company, "add")
    answer = client.post(url, _filled(client, url, name="Third Ltd"))
    assert answer.status_code == 302, _errors(answer)
    with company_scope(Company.objects.get(name="Third Ltd")):
        assert LeadStatus.objects.count() == 6


def test_the_operator_makes_a_user_and_a_member(
    world: dict[type, models.Model], company: Company, operator: User, client_of: ClientOf
) -> None:
    client, url = client_of(operator), _page(User, "add")
    assert "password" in _errors(client.post(url, {"email": "new@acme.test", "password": "short"}))
    assert client.post(url, {"email": "new@acme.test", "password": "long-enough-words"}).status_code == 302
    user = User.objects.get(email="new@acme.test")
    member = {"company": company.pk, "user": user.pk, "role": "admin"}
    answer = client.post(_page(Membership, "add"), member)
    assert answer.status_code == 302, _errors(answer)
    assert Membership.objects.get(user=user).role == Role.ADMIN


def test_a_companys_owner_cannot_change_a_person(
    world: dict[type, models.Model], owner: User, agent: User, client_of: ClientOf
) -> None:
    url = _page(User, "change", agent.pk)
    assert client_of(owner).post(url, {"email": "evil@acme.test"}).status_code == 403
    assert User.objects.filter(pk=agent.pk, email="bob@acme.test").exists()


def test_the_last_owner_cannot_be_demoted_or_shut_out(
    world: dict[type, models.Model], owner: User, operator: User, client_of: ClientOf
) -> None:
    membership = Membership.objects.get(user=owner)
    url, client = _page(Membership, "change", membership.pk), client_of(owner)
    assert "last owner" in str(_errors(client.post(url, {"role": "agent", "is_active": "on"})))
    assert "last owner" in str(_errors(client.post(url, {"role": "owner"})))
    person = _page(User, "change", owner.pk)
    assert "last owner" in str(_errors(client_of(operator).post(person, {"email": owner.email})))


def test_an_admin_neither_makes_nor_changes_owners(
    world: dict[type, models.Model], company: Company, owner: User, agent: User, client_of: ClientOf
) -> None:
    boss = UserFactory(company=company, role="admin")
    client = client_of(boss)
    url = _page(Membership, "change", Membership.objects.get(user=agent).pk)
    assert "role" in _errors(client.post(url, {"role": "owner", "is_active": "on"}))
    assert (
        client.post(_page(Membership, "change", Membership.objects.get(user=owner).pk), {}).status_code == 403
    )
    assert client.post(url, {"role": "admin", "is_active": "on"}).status_code == 302
    agent.refresh_from_db()
    assert agent.is_staff


def test_whoever_is_demoted_no_longer_gets_in(
    world: dict[type, models.Model], company: Company, owner: User, client_of: ClientOf
) -> None:
    boss = UserFactory(company=company, role="admin")
    url = _page(Membership, "change", Membership.objects.get(user=boss).pk)
    assert client_of(owner).post(url, {"role": "agent", "is_active": "on"}).status_code == 302
    boss.refresh_from_db()
    assert not boss.is_staff


def test_a_status_is_renamed_and_keeps_its_key(
    world: dict[type, models.Model], owner: User, client_of: ClientOf
) -> None:
    status = LeadStatus.objects.get(key="contacted")
    client, url = client_of(owner), _page(LeadStatus, "change", status.pk)
    assert client.post(url, _filled(client, url, name="In touch")).status_code == 302
    status.refresh_from_db()
    assert (status.name, status.key) == ("In touch", "contacted")
    added = client.post(
        _page(LeadStatus, "add"), {"name": "New", "category": "open", "colour": "blue", "position": 9}
    )
    assert "name" in _errors(added)


def test_the_kind_of_a_stage_with_deals_stays(
    world: dict[type, models.Model], owner: User, client_of: ClientOf
) -> None:
    client, url = client_of(owner), _page(Stage, "change", Deal.objects.get().stage_id)
    assert "kind" in _errors(client.post(url, _filled(client, url, kind="won")))


def test_keys_are_revoked_and_never_shown(
    world: dict[type, models.Model], company: Company, owner: User, client_of: ClientOf
) -> None:
    made = people.create_api_key(company, "Zapier", ["read"])
    client = client_of(owner)
    for url in (_page(ApiKey, "changelist"), _page(ApiKey, "change", made.row.pk)):
        page = client.get(url).content.decode()
        assert made.secret not in page
        assert made.row.digest not in page
    client.post(_page(ApiKey, "changelist"), {"action": "revoke", "_selected_action": [str(made.row.pk)]})
    made.row.refresh_from_db()
    assert made.row.revoked_at


def test_lists_take_as_many_queries_for_many_rows_as_for_few(
    world: dict[type, models.Model], company: Company, owner: User, client_of: ClientOf
) -> None:
    client, listed = client_of(owner), (Lead, Deal, Activity)
    client.get(reverse("admin:index"))
    few = [_queries(client, _page(model, "changelist")) for model in listed]
    for _ in range(12):
        DealFactory(company=company, lead=LeadFactory(company=company, organization="Firm", owner=owner))
    assert [_queries(client, _page(model, "changelist")) for model in listed] == few
    assert max(few) < 25


def _queries(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


def test_a_superuser_without_a_company_works_with_every_company(
    operator: User, client_of: ClientOf, other_company: Company
) -> None:
    with every_company():
        assert not Membership.objects.filter(user=operator).exists()
    third = CompanyFactory(name="Third")
    with company_scope(third):
        lead = LeadFactory(company=third)
    client, url = client_of(operator), _page(Lead, "change", lead.pk)
    assert client.post(url, _filled(client, url, title="Boss")).status_code == 302
    with company_scope(third):
        assert Lead.objects.get().title == "Boss"


def test_every_tenant_model_in_the_panel_uses_the_scoped_manager() -> None:
    for model in admin.site._registry:
        if issubclass(model, TenantModel):
            assert type(model._default_manager).__module__ == "django_scopes.manager", model
    assert Rule in admin.site._registry


def test_people_are_erased_after_a_question_that_names_them(
    world: dict[type, models.Model], owner: User, client_of: ClientOf, settings: Settings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    client, lead = client_of(owner), world[Lead]
    chosen = {"action": "erase", "_selected_action": [str(lead.pk)]}
    asked = client.post(_page(Lead, "changelist"), chosen).content.decode()
    assert "Erase for good?" in asked
    assert "Acme Lead" in asked
    assert Lead.objects.filter(pk=lead.pk).exists()
    answer = client.post(_page(Lead, "changelist"), {**chosen, "confirmed": "Erase for good"}, follow=True)
    assert "1 people were erased." in answer.content.decode()
    assert not Lead.objects.filter(pk=lead.pk).exists()
    assert Erasure.objects.get(lead_id=lead.pk).actor == owner
    entry = AuditEntry.objects.get(action="lead_erased")
    assert (entry.subject_id, entry.channel) == (lead.pk, "admin")
    assert not LogEntry.objects.filter(object_repr__contains="Acme Lead").exists()


def test_the_operator_erases_people_of_any_company_and_a_member_of_their_own(
    world: dict[type, models.Model],
    operator: User,
    owner: User,
    other_company: Company,
    client_of: ClientOf,
    settings: Settings,
    tmp_path: Path,
) -> None:
    settings.DATA_DIR = tmp_path
    with company_scope(other_company):
        theirs = Lead.objects.get()
    chosen = {"action": "erase", "_selected_action": [str(theirs.pk)], "confirmed": "yes"}
    client_of(owner).post(_page(Lead, "changelist"), chosen)
    with company_scope(other_company):
        assert Lead.objects.filter(pk=theirs.pk).exists()
    client_of(operator).post(_page(Lead, "changelist"), chosen)
    with company_scope(other_company):
        assert not Lead.objects.filter(pk=theirs.pk).exists()
        assert Erasure.objects.filter(lead_id=theirs.pk).exists()


def test_too_many_people_are_not_erased_at_once(
    company: Company, owner: User, client_of: ClientOf, settings: Settings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    chosen = [str(LeadFactory(company=company, email=f"p{n}@customer.test").pk) for n in range(21)]
    body = {"action": "erase", "_selected_action": chosen, "confirmed": "yes"}
    answer = client_of(owner).post(_page(Lead, "changelist"), body, follow=True)
    assert "at most 20 people" in answer.content.decode()
    assert Lead.objects.count() == 21


def test_consent_has_its_source_text_and_time(
    world: dict[type, models.Model], owner: User, client_of: ClientOf
) -> None:
    client, url = client_of(owner), _page(Lead, "change", world[Lead].pk)
    client.post(url, _filled(client, url, consent="granted", consent_text_version="7"))
    lead = Lead.objects.get(pk=world[Lead].pk)
    assert (lead.consent, lead.consent_source, lead.consent_text_version) == ("granted", "admin", "7")
    assert lead.consent_at is not None
