"""Walks the whole URL map with another company's ids. A route that is new and has no case here fails."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.core import serializers
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from crm.models import Company, Deal, Lead, User
from crm.tenancy import TenantModel, company_scope
from tests.factories import LeadFactory
from tests.records import CANARY, records_of

METHODS = ("get", "post", "put", "patch", "delete")

# Routes with an id, by the start of their name: whose id it is.
NOUNS: dict[str, str] = {
    "api-lead-": "lead",
    "api-deal-": "deal",
    "api-status-": "leadstatus",
    "api-type-": "leadtype",
    "api-stage-": "stage",
    "api-pipeline-": "pipeline",
    "api-tag-": "tag",
    "api-member-": "membership",
    "api-capi-rule-": "rule",
    "api-capi-event-": "conversionevent",
    "linkedin_rule": "rule",
    "linkedin_preview": "rule",
    "linkedin_event": "conversionevent",
    "linkedin_resend": "conversionevent",
    "linkedin_send_now": "conversionevent",
    "linkedin_cancel": "conversionevent",
    "settings_member_": "membership",
    "settings_invitation_": "invitation",
    "bulk_run": "bulkrun",
    "settings_status_": "leadstatus",
    "settings_type_": "leadtype",
    "settings_tag_": "tag",
    "settings_pipeline": "pipeline",
    "settings_stage_": "stage",
    "note": "activity",
    "file_": "attachment",
    "lead_files": "lead",
    "deal_files": "deal",
    "organization_files": "organization",
    "organization": "organization",
    "api-organization-": "organization",
    "api-activity-": "activity",
    "api-note-": "activity",
    "api-invitation-": "invitation",
    "api-import-": "import",
    "settings_field": "customfield",
    "settings_key_": "apikey",
    "api-custom-field-": "customfield",
    "view_": "savedview",
    "api-view-": "savedview",
    "import_": "import",
    "lead": "lead",
    "deal": "deal",
    "api-task-": "task",
    "task": "task",
    "task_step": "subtask",
    "task_step_add": "task",
    "notification_open": "notification",
    "settings_automation_rule": "assignmentrule",
    "settings_automation_stage": "stagetask",
    "settings_webhook": "webhook",
    "settings_webhook_message": "webhookdelivery",
    "api-webhook-": "webhook",
    "api-webhook-delivery-": "webhookdelivery",
    "settings_form": "webform",
}
# Routes without an id. They show only what is the caller's own.
WITHOUT_ID = {
    "healthz",
    "readyz",
    "metrics",
    "home",
    "setup",
    "switch_company",
    "imports",
    "import_upload",
    "leads",
    "manifest",
    "offline",
    "service_worker",
    "reports",
    "reports_sources",
    "reports_funnel",
    "reports_team",
    "search",
    "palette",
    "lead_new",
    "leads_export",
    "leads_bulk",
    "deals_bulk",
    "recycle_bin",
    "view_new",
    "api-view-list",
    "deals",
    "organizations",
    "organization_new",
    "organizations_export",
    "api-organization-list",
    "api-activity-list",
    "api-note-list",
    "api-invitation-list",
    "api-import-list",
    "api-lead-bulk",
    "deal_new",
    "tasks",
    "tasks_calendar",
    "task_new",
    "deals_export",
    "notifications",
    "notifications_read",
    "settings_digest",
    "settings_language",
    "settings_automations",
    "settings_automation_fallback",
    "settings_automation_follow_up",
    "settings_automation_rule_add",
    "settings_automation_spam",
    "settings_automation_stage_add",
    "settings_feed",
    "settings_forms",
    "settings_forms_add",
    "settings_feed_end",
    "sandbox",
    "styleguide",
    "api-lead-list",
    "api-deal-list",
    "api-task-list",
    "api-status-list",
    "api-type-list",
    "api-stage-list",
    "api-pipeline-list",
    "api-tag-list",
    "api-member-list",
    "api-company",
    "api-export",
    "api-webhook-list",
    "api-webhook-delivery-list",
    "settings_webhooks",
    "api-capi-connection",
    "api-capi-connection-release",
    "api-capi-health",
    "api-capi-rule-list",
    "api-capi-event-list",
    "api-capi-event-resend-all",
    "api-schema",
    "api-docs",
    "api-unknown",
    "linkedin_setup",
    "linkedin_tests",
    "linkedin_token",
    "linkedin_token_delete",
    "linkedin_pause",
    "linkedin_release",
    "linkedin_rule_add",
    "linkedin_pick",
    "linkedin_events",
    "linkedin_health",
    "linkedin_forms",
    "linkedin_forms_mapping",
    "linkedin_forms_subscribe",
    "linkedin_forms_delete",
    "linkedin_resend_all",
    "settings",
    "settings_audit",
    "settings_privacy",
    "settings_privacy_retention",
    "settings_audit_export",
    "settings_company",
    "settings_fields",
    "settings_keys",
    "settings_fields_order",
    "api-custom-field-list",
    "settings_statuses",
    "settings_statuses_order",
    "settings_types",
    "settings_types_order",
    "settings_tags",
    "settings_pipelines",
    "settings_pipelines_order",
    "settings_team",
    "settings_second_step",
    "settings_you",
    "settings_sessions_end",
    "mfa_index",
    "mfa_authenticate",
    "mfa_reauthenticate",
    "mfa_activate_totp",
    "mfa_deactivate_totp",
    "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_download_recovery_codes",
    "mfa_list_webauthn",
    "mfa_add_webauthn",
    "mfa_reauthenticate_webauthn",
    "mfa_login_webauthn",
    "openid_connect_login",
    "openid_connect_callback",
    "account_login",
    "account_logout",
    "account_inactive",
    "account_signup",
    "account_reauthenticate",
    "account_email",
    "account_email_verification_sent",
    "account_change_password",
    "account_set_password",
    "account_reset_password",
    "account_confirm_login_code",
    "account_reset_password_from_key_done",
    "account_reset_password_done",
}
# Keys that were mailed to a person or stand in a web site, not ids of records.
BY_KEY = {
    "account_confirm_email",
    "account_reset_password_from_key",
    "calendar_feed",
    "capture",
    "capture_embed",
    "capture_form",
    "capture_script",
    "capture_theme",
    "capture_touch",
    "capture_track",
    "invitation",
    "linkedin_forms_hook",
}
# They take the id of something that is a person's own and no company's; tests/crm/signing_in has their cases.
OF_A_PERSON = {
    "settings_session_end",
    "settings_service_disconnect",
    "mfa_remove_webauthn",
    "mfa_edit_webauthn",
}


def routes() -> Iterator[tuple[str, str]]:
    """Every route of the product outside the admin panel as (pattern, name)."""
    for pattern, name in _walk(get_resolver().url_patterns):
        if not pattern.startswith("admin/"):
            yield pattern, name


def _walk(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern).removeprefix("^").removesuffix("$")
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield route, pattern.name


ID = re.compile(r"<\w+:(?:pk|object_id)>|\(\?P<pk>[^)]*\)")
WITH_ID = sorted({(route, name) for route, name in routes() if ID.search(route) and name not in OF_A_PERSON})


def noun_of(name: str) -> str:
    """Whose id the route takes; the longest prefix counts."""
    known = [prefix for prefix in NOUNS if name.startswith(prefix)]
    assert known, f"The route {name} has no case in tests/test_walls.py: say whose id it takes."
    return NOUNS[max(known, key=len)]


@pytest.fixture
def foreign(other_company: Company, stranger: User, sandbox: object) -> dict[str, Any]:
    """Charlie's records by model name; every text in them has the canary."""
    return records_of(other_company)


def snapshot(company: Company) -> str:
    """Everything a company has, as text."""
    with company_scope(company):
        rows = [
            row
            for model in apps.get_models()
            if issubclass(model, TenantModel)
            for row in model.objects.order_by("pk")  # type: ignore[attr-defined]
        ]
    return serializers.serialize("json", rows)


def test_every_route_has_a_case() -> None:
    unknown = {name for route, name in routes() if not ID.search(route) and name not in WITHOUT_ID | BY_KEY}
    assert unknown == set(), "Routes without a case in tests/test_walls.py."
    for _, name in WITH_ID:
        noun_of(name)


@pytest.mark.parametrize(("route", "name"), WITH_ID, ids=[name for _, name in WITH_ID])
def test_another_company_s_id_is_a_missing_id(
    company: Company,
    owner: User,
    foreign: dict[str, Any],
    other_company: Company,
    client_of: Callable[[User], Client],
    api_of: Callable[..., Client],
    route: str,
    name: str,
) -> None:
    caller = api_of(company) if name.startswith("api-") else client_of(owner)
    theirs, missing = foreign[noun_of(name)].pk, uuid4()
    before = snapshot(other_company)
    for method in METHODS:
        answers = []
        for pk in (theirs, missing):
            path = "/" + ID.sub(str(pk), route)
            answer = (
                getattr(caller, method)(path, data=b"{}", content_type="application/json")
                if (method != "get")
                else caller.get(path)
            )
            answers.append((answer.status_code, answer.content.replace(str(pk).encode(), b"ID")))
        assert answers[0][0] in (404, 405), f"{method} {name} answered {answers[0][0]}"
        assert answers[0][0] == answers[1][0]
        if name.startswith("api-"):
            assert answers[0] == answers[1]
        assert CANARY.encode() not in answers[0][1]
    assert snapshot(other_company) == before


@pytest.mark.parametrize("name", sorted(WITHOUT_ID - {"account_logout", "switch_company"}))
def test_no_page_or_list_shows_another_company(
    company: Company,
    owner: User,
    foreign: dict[str, Any],
    client_of: Callable[[User], Client],
    api_of: Callable[..., Client],
    name: str,
) -> None:
    route = next(route for route, known in routes() if known == name)
    caller = api_of(company) if name.startswith("api-") else client_of(owner)
    answer = caller.get("/" + route.replace(".*", "nowhere"))
    assert answer.status_code < 500
    content = b"".join(answer) if answer.streaming else answer.content  # type: ignore[arg-type]
    assert CANARY.encode() not in content
    assert b"umbrella" not in content


def test_switching_to_a_company_one_is_not_in_is_refused(
    company: Company, owner: User, other_company: Company, client_of: Callable[[User], Client]
) -> None:
    client = client_of(owner)
    client.post("/company/", {"company": str(other_company.pk), "next": "/"})
    assert b"Acme" in client.get("/").content


@pytest.mark.parametrize("noun", ["lead", "deal", "rule", "conversionevent", "connection", "membership"])
def test_the_admin_panel_shows_a_company_s_admin_nothing_of_others(
    company: Company, owner: User, foreign: dict[str, Any], client_of: Callable[[User], Client], noun: str
) -> None:
    app = "capi" if noun in ("rule", "conversionevent", "connection") else "crm"
    client = client_of(owner)
    listed = client.get(f"/admin/{app}/{noun}/")
    assert listed.status_code in (200, 404)
    assert CANARY.encode() not in listed.content
    for page in ("change", "delete", "history"):
        answer = client.get(f"/admin/{app}/{noun}/{foreign[noun].pk}/{page}/", follow=True)
        assert CANARY.encode() not in answer.content
        assert b"umbrella" not in answer.content


def test_a_foreign_id_in_a_body_is_refused_by_field(
    company: Company, foreign: dict[str, Any], api_of: Callable[..., Client]
) -> None:
    answer = api_of(company).post(
        "/api/v1/deals/",
        data={"title": "Theft", "lead": str(foreign["lead"].pk)},
        content_type="application/json",
    )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == "lead"
    assert not Deal.objects.exists()


def test_hints_at_a_tenant_are_ignored(
    company: Company, foreign: dict[str, Any], other_company: Company, api_of: Callable[..., Client]
) -> None:
    LeadFactory(company=company)
    hints = {"X-Tenant": str(other_company.pk), "X-Company": str(other_company.pk)}
    answer = api_of(company).get("/api/v1/leads/", headers=hints)
    assert [lead["id"] for lead in answer.json()["results"]] == [str(Lead.objects.get().pk)]
