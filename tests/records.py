"""One record of every kind that has a route with its id. Tests that walk the URL map share them."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from capi import lead_forms
from capi.models import Connection, ConversionEvent
from crm.actions import attachments, automations, invitations, people, tasks, timeline, web_forms, webhooks
from crm.actions.tasks import Step
from crm.actor import SYSTEM
from crm.models import (
    BulkRun,
    Company,
    CustomField,
    Import,
    LeadType,
    Membership,
    Notification,
    Pipeline,
    SavedView,
    Stage,
    Tag,
    User,
    WebhookDelivery,
)
from crm.tenancy import company_scope
from tests.factories import DealFactory, LeadFactory, RuleFactory, connect

CANARY = "CANARY"


def records_of(company: Company, owner: User | None = None) -> dict[str, Any]:
    """Records of a company by model name, owned by `owner`; every text in them has the canary.

    Needs the sandbox, and somebody who is a member.
    """
    with company_scope(company):
        connect(company)
        rule = RuleFactory(company=company, name=f"{CANARY} rule")
        lead = LeadFactory(
            company=company,
            first_name=CANARY,
            last_name=CANARY,
            email="canary@umbrella.test",
            title=CANARY,
            organization=f"{CANARY} Ltd",
            owner=owner,
        )
        deal = DealFactory(company=company, lead=lead, title=f"{CANARY} deal", owner=owner)
        invitation = invitations.invite(
            company, "canary-guest@umbrella.test", "agent", SYSTEM, first_name=CANARY
        )
        task = tasks.create_task(
            company,
            {"title": f"{CANARY} task", "lead": lead, "subtasks": [Step(f"{CANARY} step")]},
            SYSTEM,
        )
        Tag.objects.create(company=company, name=CANARY, name_key="canary")
        batch = Import.objects.create(
            company=company, file_name=CANARY, headers=[CANARY], mapping=[""], created_by=owner
        )
        return {
            "import": batch,
            "lead": lead,
            "deal": deal,
            "organization": lead.organization,
            "activity": timeline.add_note(lead, f"{CANARY} said so", SYSTEM),
            "attachment": attachments.add_file(lead, f"{CANARY}.txt", BytesIO(CANARY.encode()), SYSTEM),
            "rule": rule,
            "task": task,
            "subtask": task.subtasks.get(),
            "assignmentrule": automations.add_rule(company, SYSTEM, [_member(company)], source=CANARY),
            "stagetask": automations.add_stage_task(company, SYSTEM, deal.stage, f"{CANARY} step", 1),
            "notification": Notification.objects.create(
                company=company, user=_member(company), kind="lead", text=f"{CANARY} is yours"
            ),
            "conversionevent": ConversionEvent.objects.get(),
            "leadstatus": lead.status,
            "pipeline": Pipeline.objects.get(key="sales"),
            "customfield": CustomField.objects.create(
                company=company, entity="lead", name=CANARY, key="canary", kind="text"
            ),
            "stage": Stage.objects.filter(pipeline__key="sales")[0],
            "leadtype": LeadType.objects.all()[0],
            "tag": Tag.objects.get(name=CANARY),
            "membership": Membership.objects.order_by("pk")[0],
            "invitation": invitation.row,
            "apikey": people.create_api_key(company, f"{CANARY} key", ["read"]).row,
            "connection": Connection.objects.get(),
            "savedview": SavedView.objects.create(
                company=company,
                owner=owner or Membership.objects.order_by("pk")[0].user,
                noun="lead",
                name=CANARY,
                params=f"search={CANARY}",
                is_shared=True,
                is_pinned=True,
            ),
            "webform": web_forms.make_form(company, f"{CANARY} form", SYSTEM),
            "bulkrun": _bulk_run(company, owner or Membership.objects.order_by("pk")[0].user),
            **_webhook(company),
            "leadforms": lead_forms.save(company, "507404993", CANARY, CANARY, SYSTEM),
        }


def _webhook(company: Company) -> dict[str, Any]:
    """An address with a message that has failed."""
    hook = webhooks.add_webhook(
        company,
        {"url": "https://canary.umbrella.test/hook", "description": CANARY, "events": ["deal_won"]},
        SYSTEM,
    ).hook
    message = webhooks.send_test(hook)
    WebhookDelivery.objects.update(status="failed", body=CANARY, message=CANARY)
    return {"webhook": hook, "webhookdelivery": message}


def _bulk_run(company: Company, user: User) -> BulkRun:
    return BulkRun.objects.create(
        company=company, user=user, noun="lead", verb="tag", target=CANARY, said=f"Tagged {CANARY}"
    )


def _member(company: Company) -> User:
    """Somebody of the company."""
    return Membership.objects.order_by("pk")[0].user
