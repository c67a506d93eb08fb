"""Lead Gen Forms become leads, each once, and are gone when LinkedIn says so."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import serializers
from django.test import Client
from django.utils import timezone

from capi import alarms, delivery, lead_forms, leadgen
from capi.models import Alarm, ConversionEvent, FormStatus, LeadFormNotice, LeadForms, Rule
from capi.sandbox.running import RunningSandbox
from capi.sandbox.world import LEAD_SECRET, LEAD_TOKEN, SANDBOX_ACCOUNT, SANDBOX_TOKEN
from crm.actions import customfields
from crm.actions import merge as merging
from crm.models import Activity, Company, Lead, Mention, User
from tests.factories import SHELL, LeadFactory

Clients = Callable[[User], Client]
ANSWERS = {
    "FIRST_NAME": "Kevin",
    "LAST_NAME": "Johonson",
    "EMAIL": "kevin@customer.test",
    "WORK_EMAIL": "kevin@work.test",
    "PHONE_NUMBER": "+49 30 123456",
    "COMPANY_NAME": "Customer Ltd",
    "JOB_TITLE": "Senior Engineer",
    "How many pallets?": "1200",
}


@pytest.fixture
def forms(company: Company, sandbox: RunningSandbox) -> LeadForms:
    return lead_forms.save(company, str(SANDBOX_ACCOUNT), LEAD_SECRET, LEAD_TOKEN, SHELL)


def send(sandbox: RunningSandbox, **options: Any) -> str:
    return sandbox.control.send_form(SANDBOX_ACCOUNT, {**ANSWERS, **options.pop("answers", {})}, **options)


def notify(forms: LeadForms, response: str, action: str = "CREATED", secret: str = LEAD_SECRET) -> Any:
    notice = {
        "type": "LEAD_ACTION",
        "leadGenFormResponse": leadgen.URN + response,
        "leadType": "SPONSORED",
        "leadAction": action,
        "occurredAt": int(time.time()),
    }
    body = json.dumps(notice).encode()
    return Client().post(
        f"/linkedin/forms/hook/{forms.hook_key}/",
        body,
        content_type="application/json",
        headers={"X-LI-Signature": leadgen.signature(body, secret)},
    )


def work(company: Company) -> None:
    LeadForms.objects.update(waits_until=None)
    while lead_forms.work(company.pk):
        pass


def test_a_form_becomes_a_lead_with_all_that_was_answered(
    company: Company, forms: LeadForms, sandbox: RunningSandbox
) -> None:
    response = send(sandbox, quiet=True)
    assert notify(forms, response).status_code == 204
    work(company)
    lead = Lead.objects.get()
    assert (lead.first_name, lead.last_name, lead.title) == ("Kevin", "Johonson", "Senior Engineer")
    assert [each.address for each in lead.emails.all()] == ["kevin@customer.test", "kevin@work.test"]
    assert lead.organization is not None
    assert lead.organization.name == "Customer Ltd"
    assert lead.lead_gen_response == leadgen.URN + response
    assert (lead.source, lead.origin, lead.is_test) == ("LinkedIn lead form", "linkedin", False)
    note = Activity.objects.get(lead=lead, kind="note").text
    assert "How many pallets?: 1200" in note
    assert "brochure: cold-chain" in note
    assert "Cold chain brochure" in note


def test_its_conversion_carries_the_response(
    company: Company, rules: dict[str, Rule], forms: LeadForms, sandbox: RunningSandbox
) -> None:
    response = send(sandbox)
    work(company)
    delivery.deliver_all()
    event = ConversionEvent.objects.get()
    assert event.identifiers[0] == "lead_gen_response"
    assert json.loads(event.element)["user"]["lead"] == leadgen.URN + response


def test_what_no_notice_told_of_is_pulled_once(
    company: Company, forms: LeadForms, sandbox: RunningSandbox
) -> None:
    for number in range(3):
        send(sandbox, answers={"EMAIL": f"{number}@customer.test"})
    assert lead_forms.companies_with_work() == [company.pk]
    work(company)
    assert Lead.objects.count() == 3
    assert lead_forms.companies_with_work() == []
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        work(company)
    assert Lead.objects.count() == 3


def test_forms_of_the_last_year_come_in_the_first_time(
    company: Company, forms: LeadForms, sandbox: RunningSandbox
) -> None:
    for days in (1, 100, 360, 370):
        at = timezone.now() - timedelta(days=days)
        mail = f"{days}@customer.test"
        send(sandbox, answers={"EMAIL": mail, "WORK_EMAIL": mail}, at_ms=int(at.timestamp() * 1000))
    work(company)
    assert {lead.email for lead in Lead.objects.all()} == {f"{n}@customer.test" for n in (1, 100, 360)}


def test_a_notice_that_comes_twice_makes_one_lead(
    company: Company, forms: LeadForms, sandbox: RunningSandbox
) -> None:
    response = send(sandbox)
    for _ in range(3):
        assert notify(forms, response).status_code == 204
        work(company)
    assert Lead.objects.count() == LeadFormNotice.objects.count() == 1


def test_a_test_lead_is_marked_and_not_reported(
    company: Company, rules: dict[str, Rule], forms: LeadForms, sandbox: RunningSandbox
) -> None:
    send(sandbox, is_test=True)
    work(company)
    delivery.deliver_all()
    assert Lead.objects.get().is_test
    assert ConversionEvent.objects.get().status == "skipped"


def test_somebody_known_by_their_address_is_not_added_again(
    company: Company, forms: LeadForms, sandbox: RunningSandbox
) -> None:
    known = LeadFactory(company=company, email="KEVIN@customer.test", first_name="Kev")
    response = send(sandbox)
    work(company)
    lead = Lead.objects.get()
    assert (lead.pk, lead.first_name, lead.lead_gen_response) == (known.pk, "Kev", leadgen.URN + response)


def test_a_deletion_erases_the_person_and_they_do_not_come_back(
    company: Company, forms: LeadForms, sandbox: RunningSandbox
) -> None:
    response = send(sandbox)
    work(company)
    assert notify(forms, response, "DELETED").status_code == 204
    work(company)
    assert not Lead.objects.exists()
    assert response not in serializers.serialize("json", LeadFormNotice.objects.all())
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        work(company)  # LinkedIn still lists it
    assert not Lead.objects.exists()


def test_a_deletion_before_the_form_was_fetched_leaves_nothing(
    company: Company, forms: LeadForms, sandbox: RunningSandbox
) -> None:
    response = send(sandbox)
    notify(forms, response, "DELETED")
    notify(forms, response)
    work(company)
    assert not Lead.objects.exists()


def test_answers_go_where_the_company_says(
    company: Company, forms: LeadForms, sandbox: RunningSandbox
) -> None:
    customfields.add_field(company, {"entity": "lead", "name": "Job", "kind": "text"}, SHELL)
    lead_forms.change_mapping(
        forms, {**lead_forms.USUAL, "JOB_TITLE": "custom:job", "WORK_EMAIL": "note"}, SHELL
    )
    send(sandbox)
    work(company)
    lead = Lead.objects.get()
    assert (lead.title, lead.custom) == ("", {"job": "Senior Engineer"})
    assert lead.emails.count() == 1
    assert "kevin@work.test" in Activity.objects.get(lead=lead, kind="note").text


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("EMAIL", "no address"),
        ("PHONE_NUMBER", "9" * 41),
        ("COMPANY_NAME", "C" * 161),
        ("LINKEDIN_PROFILE_LINK", "in: kevin"),
        ("JOB_TITLE", "T" * 121),
    ],
)
def test_an_answer_that_no_place_can_keep_costs_no_lead(
    company: Company, forms: LeadForms, sandbox: RunningSandbox, question: str, text: str
) -> None:
    send(sandbox, answers={question: text})
    work(company)
    lead = Lead.objects.get()
    assert lead.last_name == "Johonson"
    assert text in Activity.objects.get(lead=lead, kind="note").text


def test_answers_for_a_field_that_is_gone_go_into_the_note(
    company: Company, forms: LeadForms, sandbox: RunningSandbox
) -> None:
    field = customfields.add_field(company, {"entity": "lead", "name": "Job", "kind": "text"}, SHELL)
    lead_forms.change_mapping(forms, {**lead_forms.USUAL, "JOB_TITLE": "custom:job"}, SHELL)
    field.delete()
    send(sandbox)
    work(company)
    assert "Senior Engineer" in Activity.objects.get(lead=Lead.objects.get(), kind="note").text


def test_a_stranger_s_words_notify_nobody(
    company: Company, forms: LeadForms, sandbox: RunningSandbox, owner: User
) -> None:
    send(sandbox, answers={"How many pallets?": f"@{owner.email}"})
    work(company)
    assert not Mention.objects.exists()


def test_one_response_that_cannot_be_read_holds_up_no_other(
    company: Company, forms: LeadForms, sandbox: RunningSandbox
) -> None:
    bad = send(sandbox, at_ms=int(time.time() * 1000) - 60_000)
    send(sandbox, answers={"EMAIL": "other@customer.test", "WORK_EMAIL": "other@work.test"})
    sandbox.control.fault("status", status=400, count=None, match={"path": f"/rest/leadFormResponses/{bad}"})
    work(company)
    assert Lead.objects.count() == 1
    notice = LeadFormNotice.objects.get(response=bad)
    assert (notice.status, notice.attempts) == (FormStatus.PENDING, 1)
    assert notice.next_attempt_at > timezone.now()
    LeadFormNotice.objects.filter(pk=notice.pk).update(
        attempts=lead_forms.MOST_TRIES - 1, next_attempt_at=timezone.now()
    )
    work(company)
    assert LeadFormNotice.objects.get(response=bad).status == FormStatus.FAILED
    sandbox.control.clear_faults()
    lead_forms.change_mapping(forms, lead_forms.USUAL, SHELL)
    work(company)
    assert Lead.objects.count() == 2


def test_a_response_that_linkedin_fails_at_lets_the_others_go_first_and_is_not_given_up(
    company: Company, forms: LeadForms, sandbox: RunningSandbox
) -> None:
    bad = send(sandbox, at_ms=int(time.time() * 1000) - 60_000)
    send(sandbox, answers={"EMAIL": "other@customer.test", "WORK_EMAIL": "other@work.test"})
    sandbox.control.fault("status", status=500, count=None, match={"path": f"/rest/leadFormResponses/{bad}"})
    work(company)
    work(company)
    assert Lead.objects.count() == 1
    with time_machine.travel(timezone.now() + timedelta(days=4)):
        work(company)
    assert LeadFormNotice.objects.get(response=bad).status == FormStatus.PENDING


def test_a_deletion_reaches_whoever_was_merged(
    company: Company, forms: LeadForms, sandbox: RunningSandbox
) -> None:
    response = send(sandbox)
    work(company)
    loser, survivor = Lead.objects.get(), LeadFactory(company=company)
    merging.merge_leads(survivor, loser, SHELL)
    notify(forms, response, "DELETED")
    work(company)
    assert not Lead.objects.exists()
    assert not LeadFormNotice.objects.filter(status=FormStatus.PENDING).exists()


def test_a_deletion_takes_what_somebody_known_said_in_a_later_form(
    company: Company, forms: LeadForms, sandbox: RunningSandbox
) -> None:
    send(sandbox)
    work(company)
    later = send(sandbox, answers={"How many pallets?": "4711"})
    notify(forms, later)
    work(company)
    notify(forms, later, "DELETED")
    work(company)
    texts = [note.text for note in Activity.objects.filter(lead=Lead.objects.get(), kind="note")]
    assert len(texts) == 1
    assert "1200" in texts[0]


def test_a_token_that_opens_no_forms_is_explained(company: Company, sandbox: RunningSandbox) -> None:
    """Such as that of the Conversions API."""
    lead_forms.save(company, str(SANDBOX_ACCOUNT), LEAD_SECRET, SANDBOX_TOKEN, SHELL)
    work(company)
    forms = LeadForms.objects.get()
    assert "r_marketing_leadgen_automation" in forms.message
    assert forms.waits_until is not None
    assert lead_forms.companies_with_work() == []


def test_forms_that_cannot_be_fetched_for_long_are_told_of(company: Company, sandbox: RunningSandbox) -> None:
    lead_forms.save(company, str(SANDBOX_ACCOUNT), LEAD_SECRET, SANDBOX_TOKEN, SHELL)
    for _ in range(4):
        work(company)
    assert alarms.watch(company, timezone.now()) == []
    work(company)
    [alarm] = alarms.watch(company, timezone.now())
    assert "r_marketing_leadgen_automation" in alarm.text
    assert alarms.watch(company, timezone.now()) == []
    lead_forms.save(company, str(SANDBOX_ACCOUNT), LEAD_SECRET, LEAD_TOKEN, SHELL)
    alarms.watch(company, timezone.now())
    assert not Alarm.objects.filter(ended_at=None).exists()


def test_an_outage_loses_nothing(company: Company, forms: LeadForms, sandbox: RunningSandbox) -> None:
    response = send(sandbox, quiet=True)
    notify(forms, response)
    sandbox.control.fault("status", status=500, count=2, match={"path": ""})
    work(company)
    assert not Lead.objects.exists()
    work(company)
    work(company)
    assert Lead.objects.count() == 1


# ── The address that LinkedIn notifies ─────────────────────────────────────────────────────────────────


def test_the_challenge_is_answered(forms: LeadForms) -> None:
    code = "890e4665-4dfe-4ab1-b689-ed553bceeed0"
    answer = Client().get(f"/linkedin/forms/hook/{forms.hook_key}/?challengeCode={code}&applicationId=1")
    assert answer.status_code == 200
    assert answer.json() == {
        "challengeCode": code,
        "challengeResponse": leadgen.challenge_response(code, LEAD_SECRET),
    }


def test_a_challenge_without_a_code_is_refused(forms: LeadForms) -> None:
    assert Client().get(f"/linkedin/forms/hook/{forms.hook_key}/").status_code == 400


def test_an_unknown_address_is_a_404(forms: LeadForms) -> None:
    for key in ("unknown", "é", "%00"):
        for answer in (Client().get(f"/linkedin/forms/hook/{key}/?challengeCode=1"), notify_at(key)):
            assert answer.status_code == 404


def notify_at(key: str) -> Any:
    return Client().post(f"/linkedin/forms/hook/{key}/", b"{}", content_type="application/json")


def test_a_notice_that_is_not_signed_is_refused_and_not_kept(forms: LeadForms) -> None:
    assert notify(forms, "1a2b3c-4", secret="other").status_code == 401
    assert notify_at(forms.hook_key).status_code == 401
    assert not LeadFormNotice.objects.exists()


def test_what_is_signed_and_no_notice_is_taken_and_forgotten(forms: LeadForms) -> None:
    assert notify(forms, "1a2b3c-4", "SNEEZED").status_code == 204
    assert not LeadFormNotice.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_sandbox_challenges_notifies_and_takes_back(
    company: Company, forms: LeadForms, sandbox: RunningSandbox, live_server: Any, settings: Any
) -> None:
    settings.PUBLIC_URL = live_server.url.replace("localhost", "127.0.0.1")
    lead_forms.subscribe(forms)
    assert LeadForms.objects.get().subscription
    response = send(sandbox)
    assert LeadFormNotice.objects.get().response == response
    work(company)
    assert Lead.objects.count() == 1
    sandbox.control.take_back_form(SANDBOX_ACCOUNT, response)
    work(company)
    assert not Lead.objects.exists()
    lead_forms.delete(LeadForms.objects.get(), SHELL)
    assert not LeadForms.objects.exists()


# ── Page and secrets ───────────────────────────────────────────────────────────────────────────────────


def test_the_page_connects_maps_and_disconnects(
    company: Company, owner: User, client_of: Clients, sandbox: RunningSandbox
) -> None:
    client = client_of(owner)
    wrong = client.post("/linkedin/forms/", {"account": "none", "secret": "s", "token": "t"})
    assert wrong.status_code == 422
    client.post(
        "/linkedin/forms/", {"account": str(SANDBOX_ACCOUNT), "secret": LEAD_SECRET, "token": LEAD_TOKEN}
    )
    forms = LeadForms.objects.get()
    page = client.get("/linkedin/forms/").content.decode()
    assert forms.hook_key in page
    assert LEAD_SECRET not in page
    assert LEAD_TOKEN not in page
    client.post("/linkedin/forms/mapping/", {**dict.fromkeys(lead_forms.QUESTIONS, "note"), "EMAIL": "email"})
    assert LeadForms.objects.get().mapping["EMAIL"] == "email"
    client.post("/linkedin/forms/delete/")
    assert not LeadForms.objects.exists()


def test_a_manager_sees_and_does_not_connect(company: Company, forms: LeadForms, client_of: Clients) -> None:
    from tests.factories import UserFactory

    client = client_of(UserFactory(company=company, role="manager"))
    page = client.get("/linkedin/forms/")
    assert page.status_code == 200
    assert b'name="token"' not in page.content
    assert client.post("/linkedin/forms/", {"account": "1", "secret": "s", "token": "t"}).status_code == 403


def test_no_secret_reaches_a_log_or_a_row(
    company: Company, forms: LeadForms, sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    send(sandbox)
    work(company)
    notify(forms, "x-1", secret="other")
    kept = "\n".join(each.getMessage() for each in caplog.records if not each.name.startswith("django.db"))
    rows = serializers.serialize("json", LeadForms.objects.all())
    for secret in (LEAD_SECRET, LEAD_TOKEN, "kevin@customer.test", "Johonson"):
        assert secret not in kept
        assert secret not in rows
