"""Members: roles, leaving with a hand-over, coming back; and a company always has an owner."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from crm.actions import members, people
from crm.actions.members import HandOver
from crm.actor import Actor
from crm.models import Activity, ApiKey, AuditEntry, Company, Deal, Lead, Membership, User
from crm.tenancy import company_scope
from tests.factories import SHELL, DealFactory, LeadFactory, UserFactory

ClientOf = Callable[[User], Client]


def place_of(user: User) -> Membership:
    return Membership.objects.get(user=user)


def by(user: User) -> Actor:
    return Actor("web", user=user)


def written() -> list[tuple[str, object]]:
    return [(entry.action, entry.changes) for entry in AuditEntry.objects.order_by("pk")]


# ── Roles ──────────────────────────────────────────────────────────────────────────────────────────────


def test_an_owner_gives_another_role(owner: User, agent: User) -> None:
    changed = members.change_role(place_of(agent), "admin", by(owner))
    assert changed.role == "admin"
    agent.refresh_from_db()
    assert agent.is_staff, "admins may open the panel"
    assert written()[-1] == ("role_changed", {"role": ["agent", "admin"]})
    members.change_role(place_of(agent), "agent", by(owner))
    agent.refresh_from_db()
    assert not agent.is_staff


def test_the_same_role_again_is_no_change(owner: User, agent: User) -> None:
    before = AuditEntry.objects.count()
    members.change_role(place_of(agent), "agent", by(owner))
    assert AuditEntry.objects.count() == before


@pytest.mark.parametrize(
    ("who", "channel"),
    [("admin", "web"), ("manager", "web"), ("agent", "web"), ("stranger", "web"), ("", "api")],
)
def test_only_owners_make_and_unmake_owners(
    company: Company, owner: User, agent: User, stranger: User, who: str, channel: str
) -> None:
    people.add_member(company, second := UserFactory(), "owner")
    user = stranger if who == "stranger" else UserFactory(company=company, role=who) if who else None
    actor = Actor(channel, user=user, label="" if user else "API key x")  # type: ignore[arg-type]
    for change in (
        lambda: members.change_role(place_of(agent), "owner", actor),
        lambda: members.change_role(place_of(second), "agent", actor),
        lambda: members.deactivate_member(place_of(second), actor, HandOver.NOBODY),
        lambda: members.remove_member(place_of(second), actor, HandOver.NOBODY),
    ):
        with pytest.raises(ValidationError) as refused:
            change()
        assert list(refused.value.message_dict) == ["role"]
    assert (place_of(agent).role, place_of(second).role, place_of(second).is_active) == (
        "agent",
        "owner",
        True,
    )


def test_an_unknown_role_is_refused(owner: User, agent: User) -> None:
    with pytest.raises(ValidationError):
        members.change_role(place_of(agent), "root", by(owner))


def test_adding_a_member_again_does_not_change_their_role(company: Company, owner: User) -> None:
    with pytest.raises(ValidationError):
        people.add_member(company, owner, "agent")
    assert place_of(owner).role == "owner"


# ── The last owner ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("is_alone", [True, False], ids=["alone", "beside a deactivated one"])
def test_the_last_owner_stays(company: Company, owner: User, is_alone: bool) -> None:
    if not is_alone:
        second = UserFactory(company=company, role="owner")
        members.deactivate_member(place_of(second), by(owner), HandOver.NOBODY)
    place = place_of(owner)
    for change in (
        lambda: members.change_role(place, "admin", by(owner)),
        lambda: members.deactivate_member(place, by(owner), HandOver.NOBODY),
        lambda: members.remove_member(place, by(owner), HandOver.NOBODY),
        lambda: members.change_role(place, "admin", SHELL),
    ):
        with pytest.raises(ValidationError, match="last owner"):
            change()
    place.refresh_from_db()
    assert (place.role, place.is_active) == ("owner", True)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite lets one transaction write at a time anyway"
)
@pytest.mark.parametrize("verb", ["demote", "deactivate"])
def test_two_owners_who_let_each_other_go_at_once_are_not_both_gone(verb: str) -> None:
    company = Company.objects.get(pk=_company_with_two_owners())
    start, refusals = threading.Barrier(2, timeout=20), []

    def let_go(place: Membership, actor: Actor) -> None:
        with company_scope(company):
            start.wait()
            try:
                if verb == "demote":
                    members.change_role(place, "agent", actor)
                else:
                    members.deactivate_member(place, actor, HandOver.NOBODY)
            except ValidationError as refusal:
                refusals.append(refusal)
        connections.close_all()

    with company_scope(company):
        first, second = Membership.objects.select_related("user")
    threads = [
        threading.Thread(target=let_go, args=(first, by(second.user))),
        threading.Thread(target=let_go, args=(second, by(first.user))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with company_scope(company):
        assert Membership.objects.active().filter(role="owner").count() == 1
    assert len(refusals) == 1


def _company_with_two_owners() -> object:
    from tests.factories import CompanyFactory

    company = CompanyFactory()
    for _ in range(2):
        UserFactory(company=company, role="owner")
    return company.pk


# ── Leaving ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("to", ["person", "fallback", "nobody"])
def test_who_leaves_hands_their_records_over(company: Company, owner: User, agent: User, to: str) -> None:
    heir = UserFactory(company=company, role="agent")
    lead = LeadFactory(company=company, owner=agent)
    deal = DealFactory(company=company, lead=lead, owner=agent)
    other = LeadFactory(company=company, owner=owner)
    touched = lead.last_touch_at
    chosen, expected = {
        "person": (heir, heir),
        "fallback": (HandOver.FALLBACK, owner),
        "nobody": (HandOver.NOBODY, None),
    }[to]
    departure = members.deactivate_member(place_of(agent), by(owner), chosen)
    lead.refresh_from_db()
    deal.refresh_from_db()
    other.refresh_from_db()
    assert (lead.owner, deal.owner, other.owner) == (expected, expected, owner)
    assert lead.last_touch_at == touched, "nobody spoke to them"
    assert (departure.leads, departure.deals) == (1, 1)
    lines = Activity.objects.filter(kind="field", field="owner")
    assert {(line.lead_id, line.deal_id) for line in lines} == {(lead.pk, None), (lead.pk, deal.pk)}
    assert {(line.old, line.new, line.actor) for line in lines} == {(str(agent), str(expected or ""), owner)}
    assert ("member_deactivated", {"is_active": [True, False]}) in written()


def test_the_api_keys_they_made_go_on_working_and_are_listed(
    company: Company, owner: User, agent: User
) -> None:
    made = people.create_api_key(company, "Zapier", ["read"], user=agent)
    people.create_api_key(company, "Other", ["read"], user=owner)
    departure = members.deactivate_member(place_of(agent), by(owner), HandOver.NOBODY)
    assert departure.keys == (made.row,)
    answer = Client(headers={"Authorization": f"Bearer {made.secret}"}).get("/api/v1/leads/")
    assert answer.status_code == 200
    assert ApiKey.objects.get(pk=made.row.pk).revoked_at is None


def test_what_they_leave_is_counted_before_anything_is_done(
    company: Company, owner: User, agent: User
) -> None:
    LeadFactory(company=company, owner=agent)
    left = members.what_they_leave(place_of(agent))
    assert (left.leads, left.deals, left.keys) == (1, 0, ())
    assert place_of(agent).is_active


@pytest.mark.parametrize("to", ["stranger", "themselves", "deactivated", "no fallback"])
def test_nothing_is_changed_where_nobody_can_take_over(
    company: Company, owner: User, agent: User, stranger: User, to: str
) -> None:
    lead = LeadFactory(company=company, owner=agent)
    heir: User | HandOver = {"stranger": stranger, "themselves": agent}.get(to, HandOver.FALLBACK)  # type: ignore[arg-type]
    if to == "deactivated":
        heir = UserFactory(company=company)
        members.deactivate_member(place_of(heir), by(owner), HandOver.NOBODY)
    if to == "no fallback":
        Company.objects.filter(pk=company.pk).update(fallback_owner=None)
    with pytest.raises(ValidationError) as refused:
        members.deactivate_member(place_of(agent), by(owner), heir)
    assert list(refused.value.message_dict) == ["hand_over_to"]
    lead.refresh_from_db()
    assert place_of(agent).is_active
    assert lead.owner == agent


def test_who_was_the_fallback_owner_is_it_no_more(company: Company, owner: User) -> None:
    second = UserFactory(company=company, role="owner")
    members.deactivate_member(place_of(owner), by(second), second)
    company.refresh_from_db()
    assert company.fallback_owner == second


def test_handing_over_takes_the_same_number_of_queries_however_much_it_is(
    company: Company, owner: User, django_assert_max_num_queries: Callable[..., object]
) -> None:
    users = [UserFactory(company=company) for _ in range(2)]
    LeadFactory(company=company, owner=users[0])
    for _ in range(8):
        LeadFactory(company=company, owner=users[1])
    for user in users:
        with django_assert_max_num_queries(26):  # type: ignore[attr-defined]
            members.deactivate_member(place_of(user), by(owner), HandOver.NOBODY)


def test_a_person_comes_back_without_their_old_records(company: Company, owner: User, agent: User) -> None:
    lead = LeadFactory(company=company, owner=agent)
    members.deactivate_member(place_of(agent), by(owner), HandOver.FALLBACK)
    back = members.reactivate_member(place_of(agent), by(owner))
    lead.refresh_from_db()
    assert (back.is_active, back.role, lead.owner) == (True, "agent", owner)
    assert ("member_reactivated", {"is_active": [False, True]}) in written()


def test_who_is_removed_is_in_no_list_and_history_stays(company: Company, owner: User, agent: User) -> None:
    lead = LeadFactory(company=company, owner=agent, actor=by(agent))
    members.remove_member(place_of(agent), by(owner), HandOver.FALLBACK)
    assert not Membership.objects.filter(user=agent).exists()
    assert User.objects.filter(pk=agent.pk).exists()
    assert Activity.objects.get(lead=lead, kind="created").actor == agent
    assert written()[-1][0] == "member_removed"


# ── Sessions ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("end", ["deactivate", "remove", "demote"])
def test_the_next_request_of_an_open_session_is_refused(
    company: Company, owner: User, client_of: ClientOf, end: str
) -> None:
    admin = UserFactory(company=company, role="admin")
    client = client_of(admin)
    lead = LeadFactory(company=company, owner=owner)
    assert client.get(f"/leads/{lead.pk}/").status_code == 200
    if end == "deactivate":
        members.deactivate_member(place_of(admin), by(owner), HandOver.NOBODY)
    elif end == "remove":
        members.remove_member(place_of(admin), by(owner), HandOver.NOBODY)
    else:
        members.change_role(place_of(admin), "agent", by(owner))
    expected = 404 if end == "demote" else 403
    assert client.get(f"/leads/{lead.pk}/").status_code == expected
    assert client.post(f"/leads/{lead.pk}/note/", {"text": "x"}).status_code == expected
    assert client.get(f"/api/v1/leads/{lead.pk}/").status_code == expected
    assert client.get("/admin/crm/lead/").status_code in (302, 403)


def test_who_is_in_two_companies_keeps_the_other(
    company: Company, owner: User, agent: User, other_company: Company, stranger: User, client_of: ClientOf
) -> None:
    client = client_of(agent)
    with company_scope(other_company):
        people.add_member(other_company, agent, "agent")
    assert b"Umbrella-CANARY" not in client.get("/leads/").content.split(b"<main")[1]
    members.deactivate_member(place_of(agent), by(owner), HandOver.NOBODY)
    # A page that was open writes nowhere: what is on it was meant for the company they left.
    filled = {"first_name": "A", "last_name": "B", "email": "a@b.test", "source": "Web", "consent": "unknown"}
    assert client.post("/leads/new/", filled).status_code == 403
    assert (
        client.post("/api/v1/leads/", {"last_name": "B"}, content_type="application/json").status_code == 403
    )
    with company_scope(other_company):
        assert not Lead.objects.exists()
        assert not Deal.objects.exists()
    page = client.get("/").content
    assert b"Umbrella-CANARY" in page
    assert b"Acme" not in page
    with company_scope(other_company):
        assert client.post("/leads/new/", filled).status_code == 422, "in the other company they work on"


def test_a_session_is_for_one_company_from_the_start(
    company: Company, agent: User, other_company: Company, client_of: ClientOf
) -> None:
    Membership.objects.filter(user=agent).update(created_at=timezone.now() - timedelta(days=1))
    client = client_of(agent)
    assert client.session["company"] == str(company.pk)


def test_switching_is_written_down(
    company: Company, agent: User, other_company: Company, client_of: ClientOf
) -> None:
    with company_scope(other_company):
        people.add_member(other_company, agent, "agent")
    client_of(agent).post("/company/", {"company": str(other_company.pk)})
    with company_scope(other_company):
        entry = AuditEntry.objects.get(action="company_switched")
    assert entry.actor_id == agent.pk
