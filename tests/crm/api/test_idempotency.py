"""A POST with an Idempotency-Key is done once, whoever is in a hurry."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, OperationalError, connection
from django.test import Client
from django.utils import timezone

from crm import signals
from crm.actions import people
from crm.actions.companies import create_company
from crm.models import Company, IdempotencyRecord, Lead, User
from crm.tenancy import company_scope
from tests.crm.api.caller import Api, attrs, code

MAX = {"last_name": "Moritz", "email": "max@customer.test"}


def send(api: Api, key: str, body: object = MAX, path: str = "leads/") -> Any:
    return api.post(path, body, **{"Idempotency-Key": key})


@pytest.mark.django_db
class TestOneAfterTheOther:
    """Repeats that come after the first has been answered."""

    def test_a_repeat_gets_the_first_answer(self, api: Api) -> None:
        first, second = send(api, "k1"), send(api, "k1")
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.content == second.content
        assert "Idempotency-Replayed" not in first.headers
        assert second.headers["Idempotency-Replayed"] == "true"
        assert Lead.objects.count() == 1

    def test_another_key_or_none_does_it_again(self, api: Api) -> None:
        ids = {
            send(api, "k1").json()["id"],
            send(api, "k2").json()["id"],
            api.post("leads/", MAX).json()["id"],
        }
        assert len(ids) == 3

    def test_another_body_or_path_is_a_conflict(self, api: Api) -> None:
        send(api, "k1")
        assert code(send(api, "k1", MAX | {"title": "CEO"}), 409) == "key_reused"
        assert code(send(api, "k1", MAX, "deals/"), 409) == "key_reused"
        assert Lead.objects.count() == 1

    def test_a_refusal_is_an_answer(self, api: Api) -> None:
        first, second = send(api, "k1", {"email": "max"}), send(api, "k1", {"email": "max"})
        assert attrs(first) == ["email"]
        assert first.content == second.content
        assert second.headers["Idempotency-Replayed"] == "true"

    def test_a_conflict_is_an_answer(self, api: Api) -> None:
        deal = api.post("deals/", {"title": "Licences"}).json()["id"]
        api.post(f"deals/{deal}/win/")
        first = send(api, "k1", {"reason": "x"}, f"deals/{deal}/lose/")
        api.post(f"deals/{deal}/reopen/")
        second = send(api, "k1", {"reason": "x"}, f"deals/{deal}/lose/")
        assert (first.status_code, second.status_code) == (409, 409)

    def test_a_failure_is_none(self, api: Api) -> None:
        def fail(**kwargs: object) -> None:
            raise OperationalError

        signals.lead_created.connect(fail)
        try:
            assert code(send(api, "k1"), 503) == "busy"
        finally:
            signals.lead_created.disconnect(fail)
        assert not IdempotencyRecord.objects.exists()
        assert send(api, "k1").status_code == 201

    def test_a_clash_with_somebody_else_is_none(self, api: Api) -> None:
        def clash(**kwargs: object) -> None:
            raise IntegrityError

        signals.lead_created.connect(clash)
        try:
            assert code(send(api, "k1"), 409) == "race"
        finally:
            signals.lead_created.disconnect(clash)
        assert send(api, "k1").status_code == 201

    def test_whoever_is_kept_out_leaves_no_record(
        self, company: Company, caller_of: Callable[..., Api]
    ) -> None:
        assert code(send(caller_of(company, "read"), "k1"), 403) == "permission_denied"
        assert not IdempotencyRecord.objects.exists()

    def test_every_caller_has_their_own_keys(
        self,
        api: Api,
        company: Company,
        owner: User,
        caller_of: Callable[..., Api],
        session_of: Callable[..., Api],
    ) -> None:
        ids = {send(caller, "k1").json()["id"] for caller in (api, caller_of(company), session_of(owner))}
        assert len(ids) == 3

    def test_a_browser_s_request_is_repeated_like_any_other(self, company: Company, owner: User) -> None:
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(owner, settings.AUTHENTICATION_BACKENDS[0])
        browser.cookies["csrftoken"] = token = "a" * 32
        headers = {"X-CSRFToken": token, "Idempotency-Key": "k1"}
        first, second = (
            browser.post("/api/v1/leads/", MAX, content_type="application/json", headers=headers)
            for _ in range(2)
        )
        assert (first.status_code, second.headers["Idempotency-Replayed"]) == (201, "true")
        assert first.json()["id"] == second.json()["id"]

    def test_a_key_is_forgotten_after_a_day(self, api: Api) -> None:
        send(api, "k1")
        send(api, "other")
        IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
        assert "Idempotency-Replayed" not in send(api, "k1", MAX | {"title": "CEO"}).headers
        assert [record.key for record in IdempotencyRecord.objects.all()] == ["k1"]

    @pytest.mark.parametrize("key", ["", "x" * 201, "two words", "ümlaut"])
    def test_a_key_is_visible_ascii(self, api: Api, key: str) -> None:
        assert attrs(send(api, key)) == ["Idempotency-Key"]
        assert not Lead.objects.exists()

    def test_an_export_is_made_anew_and_takes_no_nonsense_for_a_key(self, api: Api) -> None:
        first, second = (send(api, "k1", {"kind": kind}, "exports/") for kind in ("leads", "deals"))
        assert (first.status_code, second.status_code) == (200, 200)
        assert attrs(send(api, "two words", {"kind": "leads"}, "exports/")) == ["Idempotency-Key"]

    @pytest.mark.parametrize("path", ["deals/{deal}/win/", "deals/{deal}/reopen/"])
    def test_every_post_knows_it(self, api: Api, path: str) -> None:
        deal = api.post("deals/", {"title": "Licences"}).json()["id"]
        path = path.format(deal=deal)
        assert send(api, "k1", None, path).status_code == 200
        assert send(api, "k1", None, path).headers["Idempotency-Replayed"] == "true"

    def test_reading_and_changing_take_no_key(self, api: Api) -> None:
        lead = api.post("leads/", MAX).json()["id"]
        headers = {"Idempotency-Key": "k1"}
        assert api.get(f"leads/{lead}/", headers=headers).status_code == 200
        assert api.patch(f"leads/{lead}/", {"title": "CEO"}, **headers).status_code == 200
        assert not IdempotencyRecord.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestAllAtOnce:
    """Requests that arrive together, each on its own connection."""

    def post_from_many(self, times: int, body: dict[str, object], **headers: str) -> list[Any]:
        secret = people.create_api_key(create_company("Acme"), "Tests", ["read", "write"]).secret

        def post(_: int) -> Any:
            client = Client(headers={"Authorization": f"Bearer {secret}"})
            try:
                return client.post("/api/v1/leads/", body, content_type="application/json", headers=headers)
            finally:
                connection.close()

        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(post, range(times)))

    def leads(self) -> int:
        with company_scope(Company.objects.get()):
            return Lead.objects.count()

    def test_fifty_posts_with_one_key_make_one_lead_and_one_answer(self) -> None:
        answers = self.post_from_many(50, MAX, **{"Idempotency-Key": "k1"})
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
        assert self.leads() == 1

    def test_posts_with_one_external_id_make_one_lead(self) -> None:
        answers = self.post_from_many(10, MAX | {"external_id": "crm-17"})
        assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert self.leads() == 1
