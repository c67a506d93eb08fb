"""Each sensitive action is written down by the door it goes through, and no row tells a secret or a person."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from io import StringIO
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from allauth.account import signals as account
from allauth.mfa import signals as mfa
from allauth.socialaccount import signals as social
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.dispatch import Signal
from django.test import Client, RequestFactory
from django.urls import reverse

from capi import lead_forms, operations
from capi.models import AppHold, ConversionEvent, Rule, Status
from capi.sandbox.world import SANDBOX_TOKEN
from crm import audit
from crm.actions import invitations, people
from crm.actions.retention import update_retention
from crm.actor import SYSTEM, Actor
from crm.models import AuditEntry, Company, CustomField, LeadStatus, LeadType, Membership, Role, User
from crm.personal_export import export_lead
from crm.tenancy import WrongTenant, company_scope, every_company
from leadmachine import env
from tests.factories import PASSWORD, LeadFactory, RuleFactory, UserFactory, connect

ADDRESS = "2001:db8::7"
# None of these may stand in any column of any row, whatever was done with them.
CANARY, MAIL, TOKEN = "Canaria", "canary@canaria.test", SANDBOX_TOKEN
NEW_PASSWORD = "another-long-enough-password"


class Doors:
    """What people use: pages, API, admin panel and commands, each as the owner whose log it is."""

    def __init__(self, company: Company, owner: User) -> None:
        self.company, self.owner = company, owner
        self.web = Client(REMOTE_ADDR=ADDRESS)
        self.web.force_login(owner)
        made = people.create_api_key(company, "Zapier", ["read", "write", "admin"])
        self.key, self.secret = made.row, made.secret
        self.api = Client(REMOTE_ADDR=ADDRESS, headers={"Authorization": f"Bearer {self.secret}"})
        self.lead = LeadFactory(company=company, first_name=CANARY, email=MAIL)

    @property
    def actor(self) -> Actor:
        return Actor("web", user=self.owner, address=ADDRESS)

    def page(self, name: str, /, *args: object, **data: object) -> None:
        answer = self.web.post(reverse(name, args=args), data)
        assert answer.status_code in (200, 204, 302), answer.content

    def call(self, method: str, path: str, **data: object) -> Any:
        answer = self.api.generic(
            method, f"/api/v1/{path}", json.dumps(data) if data else "", "application/json"
        )
        assert answer.status_code < 300, answer.content
        return answer

    def panel(self, name: str, /, *args: object, **data: object) -> None:
        answer = self.web.post(reverse(f"admin:{name}", args=args), data)
        assert answer.status_code == 302, answer.content

    def rule(self) -> Rule:
        connect(self.company)
        return RuleFactory(company=self.company)

    def event(self) -> ConversionEvent:
        self.rule()
        LeadFactory(company=self.company, first_name=CANARY, email="another@canaria.test")
        return ConversionEvent.objects.latest("id")

    def other(self) -> Company:
        other = Company.objects.create(name="Second")
        people.add_member(other, self.owner, Role.OWNER)
        return other


def sign_in(doors: Doors, password: str = PASSWORD) -> None:
    doors.web.logout()
    doors.web.post(reverse("account_login"), {"login": doors.owner.email, "password": password})


def change_password(doors: Doors) -> None:
    passwords = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    doors.page("account_change_password", **passwords)


def change_user(doors: Doors) -> None:
    doors.owner.is_superuser = doors.owner.is_staff = True
    doors.owner.save()
    fields = {"email": MAIL, "first_name": CANARY, "last_name": "", "is_active": "on"}
    doors.panel("crm_user_change", doors.owner.pk, **fields)


def add_member(doors: Doors) -> None:
    doors.owner.is_superuser = doors.owner.is_staff = True
    doors.owner.save()
    user = UserFactory(first_name=CANARY, email=MAIL)
    people.add_member(doors.company, user, Role.AGENT, Actor("admin", user=doors.owner, address=ADDRESS))


def switch(doors: Doors) -> None:
    with every_company():
        other = doors.other()
        doors.page("switch_company", company=other.pk)
        doors.page("switch_company", company=doors.company.pk)


def status_fields(**changes: object) -> dict[str, object]:
    return {"name": CANARY, "category": "open", "colour": "blue", "position": 9, **changes}


def change_word(doors: Doors) -> None:
    status = LeadStatus.objects.get(key="contacted")
    doors.panel("crm_leadstatus_change", status.pk, **status_fields())


def add_field(doors: Doors) -> CustomField:
    doors.page("settings_fields", name=CANARY, kind="choice", options=f"{CANARY}\nNone")
    return CustomField.objects.get()


def release_app(doors: Doors) -> None:
    connect(doors.company)
    hold = AppHold.objects.create(endpoint="direct", linkedin_version="202401")
    operations.release_app(hold.endpoint, Actor("admin", user=doors.owner, address=ADDRESS))


def settle(event: ConversionEvent) -> ConversionEvent:
    ConversionEvent.objects.filter(pk=event.pk).update(status=Status.PENDING, attempts=0)
    return event


def reject(event: ConversionEvent) -> ConversionEvent:
    ConversionEvent.objects.filter(pk=event.pk).update(status=Status.REJECTED)
    return event


def revoke_key(doors: Doors) -> None:
    doors.owner.is_staff = True
    doors.owner.save()
    chosen = {"action": "revoke", "_selected_action": [doors.key.pk]}
    doors.panel("crm_apikey_changelist", **chosen)


def run(*words: str) -> Callable[[Doors], None]:
    return lambda doors: call_command(*words, stdout=StringIO())  # type: ignore[return-value]


def clear_demo(doors: Doors) -> None:
    Company.objects.filter(pk=doors.company.pk).update(is_sample=True)
    call_command("clear_demo", stdout=StringIO())


def end_sessions(doors: Doors) -> None:
    for _ in range(2):
        doors.web = Client(REMOTE_ADDR=ADDRESS)
        doors.web.post(reverse("account_login"), {"login": doors.owner.email, "password": PASSWORD})
        doors.web.get("/")
    doors.page("settings_sessions_end")


def change_retention(doors: Doors) -> None:
    update_retention(doors.company, archived_lead_days=30, conversion_days=400, actor=doors.actor)


def revoke_invitation(doors: Doors) -> None:
    made = invitations.invite(doors.company, MAIL, Role.AGENT, doors.actor, first_name=CANARY)
    doors.page("settings_invitation_revoke", made.row.pk)


def connect_forms(doors: Doors) -> None:
    doors.page("linkedin_forms", account="507404993", secret=TOKEN, token=TOKEN)


def add_webhook(doors: Doors) -> str:
    answer = doors.call(
        "POST", "webhooks/", url="https://hooks.canaria.test/", description=CANARY, events=["deal_won"]
    )
    return str(answer.json()["id"])


def stop_backfill(doors: Doors) -> None:
    path = f"capi/rules/{doors.rule().pk}/backfill/"
    doors.call("POST", path)
    doors.call("DELETE", path)


# By action: how a person does it. Each runs alone, in a company with an owner, a key and a lead.
DONE_BY: dict[str, Callable[[Doors], object]] = {
    "sign_in": sign_in,
    "sign_in_failed": lambda doors: sign_in(doors, "wrong"),
    "session_ended": end_sessions,
    "invitation_revoked": revoke_invitation,
    "retention_changed": change_retention,
    "lead_exported": lambda doors: export_lead(doors.lead, doors.actor),
    "sign_out": lambda doors: doors.page("account_logout"),
    "password_changed": change_password,
    "company_switched": switch,
    "settings_changed": lambda doors: doors.call("PATCH", "company/", name=CANARY, currency="USD"),
    "word_added": lambda doors: doors.panel("crm_leadstatus_add", **status_fields()),
    "word_changed": change_word,
    "word_deleted": lambda doors: doors.page("settings_type_delete", LeadType.objects.all()[0].pk),
    "words_ordered": lambda doors: doors.page(
        "settings_types_order", word=LeadType.objects.all()[0].pk, way="down"
    ),
    "field_added": add_field,
    "field_changed": lambda doors: doors.page(
        "settings_field", add_field(doors).pk, name=f"{CANARY} 2", options="x"
    ),
    "field_deleted": lambda doors: doors.page("settings_field_delete", add_field(doors).pk),
    "user_changed": change_user,
    "member_added": add_member,
    "key_made": run("createkey", "Acme", CANARY, "--scopes", "read"),
    "key_rotated": lambda doors: doors.page(
        "settings_key_rotate", people.create_api_key(doors.company, CANARY, ["read"]).row.pk, grace="0"
    ),
    "key_revoked": revoke_key,
    "token_saved": lambda doors: doors.call("PUT", "capi/connection/", token=TOKEN),
    "token_deleted": lambda doors: (connect(doors.company), doors.call("DELETE", "capi/connection/")),
    "connection_paused": lambda doors: (connect(doors.company), doors.page("linkedin_pause")),
    "connection_released": lambda doors: (connect(doors.company), doors.page("linkedin_release")),
    "rule_created": lambda doors: doors.call(
        "POST", "capi/rules/", event="deal_won", conversion_id="23948817", name=CANARY
    ),
    "rule_changed": lambda doors: doors.call("PATCH", f"capi/rules/{doors.rule().pk}/", name=CANARY),
    "rule_released": lambda doors: doors.call("POST", f"capi/rules/{doors.rule().pk}/release/"),
    "rule_deleted": lambda doors: doors.call("DELETE", f"capi/rules/{doors.rule().pk}/"),
    "backfill_started": lambda doors: doors.call("POST", f"capi/rules/{doors.rule().pk}/backfill/"),
    "backfill_stopped": stop_backfill,
    "rule_tested": lambda doors: doors.call("POST", f"capi/rules/{doors.rule().pk}/test/"),
    "app_released": release_app,
    "event_resent": lambda doors: doors.page("linkedin_resend", reject(doors.event()).pk),
    "events_resent": lambda doors: (
        reject(doors.event()),
        doors.call("POST", "capi/events/resend/", status="rejected"),
    ),
    "event_sent_now": lambda doors: doors.page("linkedin_send_now", settle(doors.event()).pk),
    "event_cancelled": lambda doors: doors.page("linkedin_cancel", doors.event().pk),
    "lead_archived": lambda doors: doors.call("DELETE", f"leads/{doors.lead.pk}/"),
    "consent_changed": lambda doors: doors.call("PATCH", f"leads/{doors.lead.pk}/", consent="denied"),
    "forms_saved": connect_forms,
    "forms_mapped": lambda doors: (
        connect_forms(doors),
        doors.page("linkedin_forms_mapping", **dict.fromkeys(lead_forms.QUESTIONS, "note")),
    ),
    "forms_deleted": lambda doors: (connect_forms(doors), doors.page("linkedin_forms_delete")),
    "webhook_added": add_webhook,
    "webhook_changed": lambda doors: doors.call(
        "PATCH", f"webhooks/{add_webhook(doors)}/", description=CANARY
    ),
    "webhook_deleted": lambda doors: doors.call("DELETE", f"webhooks/{add_webhook(doors)}/"),
    "webhook_rotated": lambda doors: doors.call("POST", f"webhooks/{add_webhook(doors)}/rotate/"),
    "webhook_replayed": lambda doors: doors.call(
        "POST", f"webhooks/{add_webhook(doors)}/replay/", since="2026-01-01T00:00:00Z"
    ),
    "audit_exported": lambda doors: doors.page("settings_audit_export"),
    "keys_rotated": run("rotatekeys"),
    "sample_data_cleared": clear_demo,
}
# The rest are tested with what else they do.
TESTED_IN: dict[str, str] = {
    "password_reset": "tests/crm/test_audit.py",
    "email_changed": "tests/crm/test_audit.py",
    "mfa_added": "tests/crm/test_audit.py",
    "mfa_removed": "tests/crm/test_audit.py",
    "mfa_failed": "tests/crm/test_audit.py",
    "recovery_codes_made": "tests/crm/test_audit.py",
    "recovery_code_used": "tests/crm/test_audit.py",
    "login_connected": "tests/crm/test_audit.py",
    "login_disconnected": "tests/crm/test_audit.py",
    "import_started": "tests/crm/actions/test_imports.py",
    "import_undone": "tests/crm/actions/test_imports.py",
    "leads_exported": "tests/crm/test_exporting.py",
    "organizations_exported": "tests/crm/views/test_organization_fields.py",
    "deals_exported": "tests/crm/api/test_exports.py",
    "leads_merged": "tests/crm/actions/test_merge.py",
    "merge_undone": "tests/crm/actions/test_merge.py",
    "lead_restored": "tests/crm/actions/test_bulk.py",
    "deal_archived": "tests/crm/actions/test_bulk.py",
    "deal_restored": "tests/crm/actions/test_bulk.py",
    "automation_changed": "tests/crm/views/test_automations.py",
    "web_form_changed": "tests/crm/views/test_web_forms.py",
    "feed_made": "tests/crm/views/test_notifications.py",
    "feed_ended": "tests/crm/views/test_notifications.py",
    "backup_made": "tests/leadmachine/test_backup.py",
    "backup_restored": "tests/leadmachine/test_backup.py",
    "member_invited": "tests/crm/actions/test_invitations.py",
    "invitation_resent": "tests/crm/actions/test_invitations.py",
    "member_joined": "tests/crm/actions/test_invitations.py",
    "role_changed": "tests/crm/actions/test_members.py",
    "member_deactivated": "tests/crm/actions/test_members.py",
    "member_reactivated": "tests/crm/actions/test_members.py",
    "member_removed": "tests/crm/actions/test_members.py",
    "lead_erased": "tests/crm/actions/test_erase.py",
    "retention_run": "tests/crm/actions/test_retention.py",
}


@pytest.fixture
def doors(company: Company, owner: User, sandbox: object) -> Doors:
    return Doors(company, owner)


def everything_written() -> str:
    """All columns of all rows, as the database has them."""
    with every_company():
        return json.dumps([list(map(str, row)) for row in AuditEntry.objects.values_list()])


@pytest.mark.parametrize("action", sorted(DONE_BY))
def test_the_door_of_each_sensitive_action_writes_it(doors: Doors, action: str) -> None:
    already = set(AuditEntry.objects.values_list("pk", flat=True))
    DONE_BY[action](doors)
    written = AuditEntry.objects.exclude(pk__in=already).filter(action=action)
    assert written, f"{action} left no line"
    for entry in written:
        assert entry.company_id == doors.company.pk
        assert entry.actor_id or entry.actor_label
        assert (entry.address == ADDRESS) == (entry.channel != "shell")
    told = everything_written()
    for secret in (
        CANARY,
        MAIL,
        TOKEN,
        PASSWORD,
        NEW_PASSWORD,
        doors.owner.email,
        doors.secret,
        "canaria.test",
    ):
        assert secret not in told


def test_each_action_of_the_list_has_a_door() -> None:
    assert set(audit.ACTIONS) == set(DONE_BY) | set(TESTED_IN)
    untested = {
        action
        for action, file in TESTED_IN.items()
        if f'"{action}"' not in (env.REPOSITORY / file).read_text()
    }
    assert not untested


class Factor:
    """An authenticator, as allauth's signals carry it."""

    def __init__(self, kind: str) -> None:
        self.type = self.provider = kind


@pytest.mark.parametrize(
    ("signal", "more", "action"),
    [
        (account.password_reset, {}, "password_reset"),
        (account.email_changed, {"from_email_address": MAIL, "to_email_address": MAIL}, "email_changed"),
        (mfa.authenticator_added, {"authenticator": Factor("totp")}, "mfa_added"),
        (mfa.authenticator_removed, {"authenticator": Factor("webauthn")}, "mfa_removed"),
        (mfa.authenticator_reset, {"authenticator": Factor("recovery_codes")}, "recovery_codes_made"),
        (mfa.authentication_failed, {"authenticator": Factor("totp")}, "mfa_failed"),
        (mfa.authenticator_used, {"authenticator": Factor("recovery_codes")}, "recovery_code_used"),
        (social.social_account_removed, {}, "login_disconnected"),
    ],
)
def test_what_allauth_tells_is_written(
    company: Company, owner: User, signal: Signal, more: dict[str, Any], action: str
) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR=ADDRESS)
    if action == "login_disconnected":
        more = {"socialaccount": SimpleNamespace(user=owner, provider="linkedin")}
    signal.send(sender=User, request=request, user=owner, **more)
    entry = AuditEntry.objects.get(action=action)
    assert (entry.actor_id, entry.address, entry.channel) == (owner.pk, ADDRESS, "web")
    assert MAIL not in everything_written()


def test_connecting_a_way_to_sign_in_is_written(company: Company, owner: User) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR=ADDRESS)
    login = SimpleNamespace(user=owner, account=Factor("google"))
    social.social_account_added.send(sender=User, request=request, sociallogin=login)
    assert AuditEntry.objects.get(action="login_connected").changes == {"provider": [None, "google"]}


def test_an_authenticator_that_is_used_every_day_is_no_news(company: Company, owner: User) -> None:
    request = RequestFactory().get("/")
    mfa.authenticator_used.send(sender=User, request=request, user=owner, authenticator=Factor("totp"))
    assert not AuditEntry.objects.filter(action="recovery_code_used").exists()


def test_signing_in_is_written_in_each_company_one_is_let_into(company: Company, owner: User) -> None:
    let_in, left = Company.objects.create(name="Second"), Company.objects.create(name="Third")
    for other in (let_in, left):
        people.add_member(other, owner, Role.OWNER)
    with company_scope(left):
        Membership.objects.filter(user=owner).update(is_active=False)
    Client().post(reverse("account_login"), {"login": owner.email, "password": PASSWORD})
    with every_company():
        told = AuditEntry.objects.filter(action="sign_in").values_list("company", flat=True)
        assert set(told) == {company.pk, let_in.pk}


def test_an_address_that_nobody_has_is_in_nobody_s_log(company: Company, owner: User) -> None:
    Client().post(reverse("account_login"), {"login": MAIL, "password": PASSWORD})
    assert not AuditEntry.objects.filter(action="sign_in_failed").exists()


def test_a_refused_action_leaves_no_line(company: Company, owner: User) -> None:
    rule = RuleFactory(company=company)
    with pytest.raises(ValidationError):
        operations.update_rule(rule, {"name": "New", "conversion_id": "no number"}, SYSTEM)
    assert not AuditEntry.objects.filter(action="rule_changed").exists()


def test_what_is_not_in_the_list_is_not_written(company: Company) -> None:
    with pytest.raises(ValueError, match="not in the list"):
        audit.record(SYSTEM, "made_up", company=company)


def test_one_writes_in_the_open_company_alone(company: Company, other_company: Company) -> None:
    with pytest.raises(WrongTenant):
        audit.record(SYSTEM, "backup_made", company=other_company)


def test_values_are_masked_unless_they_are_nobody_s(company: Company) -> None:
    key = uuid4()
    told = audit.masked(
        {
            "role": ("agent", Role.ADMIN),
            "is_active": (True, False),
            "amount": (None, Decimal("12.50")),
            "day": (None, date(2026, 11, 21)),
            "owner": (None, User(pk=key, email=MAIL)),
            "scopes": ([], ["read"]),
            "name": ("Old", CANARY),
            "email": (None, MAIL),
            "conditions": ({}, {"sources": [CANARY]}),
            "currency": ("EUR", "EUR"),
        }
    )
    assert told == {
        "role": ["agent", "admin"],
        "is_active": [True, False],
        "amount": [None, "12.50"],
        "day": [None, "2026-11-21"],
        "owner": [None, str(key)],
        "scopes": [[], ["read"]],
        "name": "changed",
        "email": "changed",
        "conditions": "changed",
    }


def test_a_label_with_an_address_in_it_is_left_out(company: Company) -> None:
    entry = audit.record(Actor("api", label=f"API key {MAIL}"), "key_made", company=company)
    assert entry.actor_label == ""
