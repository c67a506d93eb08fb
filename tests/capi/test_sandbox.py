"""The sandbox answers as LinkedIn was measured, recorded or documented to answer, and fails on demand."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.management import CommandError, call_command

from capi.sandbox import OTHER_ACCOUNT, OTHER_TOKEN, SANDBOX_ACCOUNT, SANDBOX_TOKEN
from capi.sandbox.app import MAX_BODY, WIRE_SLOT, Sandbox
from capi.sandbox.control import ControlRefused
from capi.sandbox.running import RunningSandbox, running_sandbox
from capi.sandbox.schema import errors_of

DAY_MS = 24 * 60 * 60 * 1000
RULE = "urn:lla:llaPartnerConversion:23948811"
PURCHASE = "urn:lla:llaPartnerConversion:23948817"
INSIGHT_TAG_RULE = "urn:lla:llaPartnerConversion:23948830"
DISABLED_RULE = "urn:lla:llaPartnerConversion:23948831"
FOREIGN_RULE = "urn:lla:llaPartnerConversion:31550201"
HASH = "855f96e983f1f8e8be944692b6f719fd54329826cb62e98015efee8e2e071dd4"
REQUIRED = "field is required but not found and has no default value"
ROOT = Path(__file__).parents[2]
REQUESTS = json.loads((Path(__file__).parent / "vectors" / "requests.json").read_text())
UNRECOGNIZED = "unrecognized field found but not allowed"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(server: RunningSandbox) -> RunningSandbox:
    server.state.reset()
    return server


def now_ms() -> int:
    return int(time.time() * 1000)


def event(event_id: str = "lm_1", **changes: Any) -> dict[str, Any]:
    """A sound event; a change to None leaves the field out."""
    fields = {
        "conversion": RULE,
        "conversionHappenedAt": now_ms() - 60_000,
        "eventId": event_id,
        "user": {"userIds": [{"idType": "SHA256_EMAIL", "idValue": HASH}]},
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def headers(**changes: str | None) -> dict[str, str]:
    found = {
        "Authorization": f"Bearer {SANDBOX_TOKEN}",
        "Content-Type": "application/json",
        "LinkedIn-Version": "202609",
        "X-Restli-Protocol-Version": "2.0.0",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    return {name: value for name, value in found.items() if value is not None}


def post(
    sandbox: RunningSandbox, payload: Any, *, path: str = "/conversionEvents", **changes: Any
) -> requests.Response:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return requests.post(sandbox.url + path, data=body, headers=headers(**changes), timeout=5)


def post_batch(sandbox: RunningSandbox, *events: Any, **changes: Any) -> requests.Response:
    return post(sandbox, {"elements": list(events)}, X_RestLi_Method="BATCH_CREATE", **changes)


def get(sandbox: RunningSandbox, path: str, **changes: Any) -> requests.Response:
    return requests.get(sandbox.url + path, headers=headers(**changes), timeout=5)


class TestAcceptance:
    def test_a_single_event_is_201_with_an_empty_body_and_an_internal_location(
        self, sandbox: RunningSandbox
    ) -> None:
        answer = post(sandbox, event())
        assert (answer.status_code, answer.content, answer.headers["Content-Length"]) == (201, b"", "0")
        assert "lm_1" not in answer.headers["Location"]

    def test_a_batch_is_200_with_a_status_per_element(self, sandbox: RunningSandbox) -> None:
        answer = post_batch(sandbox, event("a"), event("b"))
        assert (answer.status_code, answer.json()) == (200, {"elements": [{"status": 201}, {"status": 201}]})

    def test_the_address_may_end_in_a_slash(self, sandbox: RunningSandbox) -> None:
        assert post(sandbox, event(), path="/conversionEvents/").status_code == 201

    def test_every_answer_carries_linkedins_request_id(self, sandbox: RunningSandbox) -> None:
        answers = [post(sandbox, event()), post(sandbox, {}), get(sandbox, "/nowhere")]
        ids = {answer.headers["X-LI-UUID"] for answer in answers}
        assert len(ids) == 3
        assert all(len(one) == 24 and one.endswith("==") for one in ids)

    @pytest.mark.parametrize("name", REQUESTS)
    def test_a_request_that_the_field_sends_is_accepted(self, sandbox: RunningSandbox, name: str) -> None:
        """Requests from LinkedIn's own collection and templates, from measurements and from other senders."""
        body = json.loads(json.dumps(REQUESTS[name]["body"]))
        for element in body.get("elements", [body]):
            element["conversionHappenedAt"] = now_ms() - 60_000
            rule = int(element["conversion"].rpartition(":")[2])
            sandbox.control.set_rule(rule, name=name, account=SANDBOX_ACCOUNT, type="LEAD")
        answer = post_batch(sandbox, *body["elements"]) if "elements" in body else post(sandbox, body)
        assert answer.status_code == (200 if "elements" in body else 201), answer.text

    @pytest.mark.parametrize(
        "changes",
        [
            # Measured: neither currencies nor addresses nor hashes are looked at.
            {"conversionValue": {"currencyCode": "XQZ", "amount": "1"}},
            {"user": {"userIds": [{"idType": "PLAINTEXT_IP_ADDRESS", "idValue": "999.999.999.999"}]}},
            {"user": {"userIds": [{"idType": "SHA256_EMAIL", "idValue": "not a hash"}]}},
            {"user": {"userIds": [], "lead": "urn:li:leadGenFormResponse:249592fc-d272-44ba-a7db-6"}},
            {"user": {"userIds": [], "externalIds": ["crm-contact-42"]}},
            {"user": {"userIds": [], "userInfo": {"firstName": "Mike", "hashedLastName": HASH}}},
            {"eventId": ""},  # as LinkedIn's own tag template sends it
            {"eventId": None},
        ],
    )
    def test_what_linkedin_does_not_mind(self, sandbox: RunningSandbox, changes: dict[str, Any]) -> None:
        assert post(sandbox, event(**changes)).status_code == 201

    def test_an_event_may_be_as_old_as_90_days(self, sandbox: RunningSandbox) -> None:
        assert post(sandbox, event(conversionHappenedAt=now_ms() - 90 * DAY_MS + 5_000)).status_code == 201


class TestGateway:
    @pytest.mark.parametrize("version", ["202511", "202512", "20230901", "nonsense"])
    def test_a_version_that_has_ended_or_never_was_is_426(
        self, sandbox: RunningSandbox, version: str
    ) -> None:
        answer = post(sandbox, event(), LinkedIn_Version=version)
        assert answer.status_code == 426
        assert answer.json() == {
            "status": 426,
            "code": "NONEXISTENT_VERSION",
            "message": f"Requested version {version} is not active",
        }

    def test_a_version_works_on_its_last_day_and_not_after(self, sandbox: RunningSandbox) -> None:
        today = time.strftime("%Y-%m-%d", time.gmtime())
        sandbox.control.set_version("202608", today)
        assert post(sandbox, event(), LinkedIn_Version="202608").status_code == 201
        sandbox.control.set_version("202608", "2026-01-01")
        assert post(sandbox, event(), LinkedIn_Version="202608").status_code == 426

    def test_the_version_is_looked_at_before_the_token(self, sandbox: RunningSandbox) -> None:
        answer = post(sandbox, event(), LinkedIn_Version=None, Authorization=None)
        assert (answer.status_code, answer.json()["code"]) == (400, "VERSION_MISSING")

    def test_the_token_is_looked_at_before_the_event(self, sandbox: RunningSandbox) -> None:
        answer = post(sandbox, {"what": "ever"}, Authorization="Bearer unknown")
        assert answer.status_code == 401
        assert answer.json() == {
            "serviceErrorCode": 65600,
            "code": "INVALID_ACCESS_TOKEN",
            "message": "Invalid access token",
            "status": 401,
        }

    @pytest.mark.parametrize("authorization", [None, "Bearer ", "Basic abc"])
    def test_without_a_token_it_is_empty(self, sandbox: RunningSandbox, authorization: str | None) -> None:
        answer = post(sandbox, event(), Authorization=authorization)
        assert (answer.status_code, answer.json()["code"]) == (401, "EMPTY_ACCESS_TOKEN")

    def test_a_revoked_token_says_so_until_it_is_given_out_again(self, sandbox: RunningSandbox) -> None:
        sandbox.control.revoke_token(SANDBOX_TOKEN)
        answer = post(sandbox, event())
        assert (answer.status_code, answer.json()["serviceErrorCode"]) == (401, 65601)
        sandbox.control.add_token(SANDBOX_TOKEN, [SANDBOX_ACCOUNT])
        assert post(sandbox, event()).status_code == 201

    def test_an_unknown_path_is_404_and_a_wrong_method_405(self, sandbox: RunningSandbox) -> None:
        assert get(sandbox, "/conversionEvent").status_code == 404
        assert get(sandbox, "/conversionEvents").status_code == 405

    def test_a_post_without_a_length_is_411(self, sandbox: RunningSandbox) -> None:
        def chunks() -> Iterator[bytes]:
            yield b"{}"

        url = f"{sandbox.url}/conversionEvents"
        assert requests.post(url, data=chunks(), headers=headers(), timeout=5).status_code == 411

    def test_a_body_over_the_limit_is_413_without_being_read(self, sandbox: RunningSandbox) -> None:
        with socket.create_connection(("127.0.0.1", int(sandbox.origin.rpartition(":")[2])), 5) as connection:
            head = (
                f"POST /rest/conversionEvents HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_BODY + 1}\r\n\r\n"
            )
            connection.sendall(head.encode())
            assert b" 413 " in connection.recv(64)


class TestStructure:
    """The 422s: every error of every element, in LinkedIn's words."""

    @pytest.mark.parametrize(
        ("changes", "lines"),
        [
            ({"conversion": None}, [f"/conversion :: {REQUIRED}"]),
            ({"conversion": 42}, ["/conversion :: 42 cannot be coerced to String"]),
            (
                {"conversion": "urn:li:llaPartnerConversion:1"},
                ["/conversion :: Invalid Urn format. Invalid prefix."],
            ),
            (
                {"conversion": "urn:lla:llaPartnerConversion:rule-1"},
                ["/conversion :: Invalid Urn format. Invalid key."],
            ),
            ({"conversionHappenedAt": None}, [f"/conversionHappenedAt :: {REQUIRED}"]),
            (
                {"conversionHappenedAt": "1766000000000"},
                ["/conversionHappenedAt :: 1766000000000 cannot be coerced to Long"],
            ),
            ({"conversionHappenedAt": 1.5}, ["/conversionHappenedAt :: 1.5 cannot be coerced to Long"]),
            ({"conversionHappenedAt": True}, ["/conversionHappenedAt :: true cannot be coerced to Long"]),
            (
                {"conversionValue": {"currencyCode": "EUR", "amount": 19.90}},  # measured
                ["/conversionValue/amount :: 19.9 cannot be coerced to String"],
            ),
            ({"conversionValue": {"currencyCode": "EUR"}}, [f"/conversionValue/amount :: {REQUIRED}"]),
            (
                {"conversionValue": {"currencyCode": "EUR", "amount": "1,000"}},
                ["/conversionValue/amount :: 1,000 cannot be coerced to BigDecimal"],
            ),
            ({"eventId": 7}, ["/eventId :: 7 cannot be coerced to String"]),
            ({"ipAddress": "203.0.113.7"}, [f"/ipAddress :: {UNRECOGNIZED}"]),  # measured
            ({"user": None}, [f"/user :: {REQUIRED}"]),
            ({"user": {"lead": "urn:li:leadGenFormResponse:1"}}, [f"/user/userIds :: {REQUIRED}"]),
            (
                {"user": {"userIds": [], "lead": "249592fc"}},
                ["/user/lead :: Invalid Urn format. Invalid prefix."],
            ),
            ({"user": {"userIds": [], "phone": "1"}}, [f"/user/phone :: {UNRECOGNIZED}"]),
            (
                {"user": {"userIds": [{"idType": "AXCIOM_ID", "idValue": "1"}]}},
                ['/user/userIds/0/idType :: "AXCIOM_ID" is not an enum symbol'],
            ),
            (
                {"user": {"userIds": [{"idType": "SHA256_EMAIL", "idValue": HASH, "x": 1}, {}]}},
                [
                    f"/user/userIds/0/x :: {UNRECOGNIZED}",
                    f"/user/userIds/1/idType :: {REQUIRED}",
                    f"/user/userIds/1/idValue :: {REQUIRED}",
                ],
            ),
            (
                {"user": {"userIds": [], "userInfo": {"firstName": "Mike", "country": "US"}}},
                [f"/user/userInfo/lastName :: {REQUIRED}", f"/user/userInfo/country :: {UNRECOGNIZED}"],
            ),
            (
                {"user": {"userIds": [], "externalIds": "crm-1"}},
                ["/user/externalIds :: crm-1 cannot be coerced to Array"],
            ),
        ],
    )
    def test_each_error_names_its_path(
        self, sandbox: RunningSandbox, changes: dict[str, Any], lines: list[str]
    ) -> None:
        answer = post(sandbox, event(**changes))
        message = "".join(f"ERROR :: {line}\n" for line in lines)
        assert (answer.status_code, answer.json()) == (422, {"message": message, "status": 422})

    def test_errors_of_a_batch_carry_their_index_and_sound_elements_are_not_mentioned(
        self, sandbox: RunningSandbox
    ) -> None:
        bad = event(conversionValue={"currencyCode": "EUR"}, conversion=None)
        typo = event(user={"userIds": [{"idType": "AXCIOM_ID", "idValue": "1"}]})
        answer = post_batch(sandbox, bad, event(), event(), typo, event())
        assert answer.status_code == 422
        assert answer.json()["message"] == (
            f"Index: 0, ERROR :: /conversion :: {REQUIRED}\n"
            f"ERROR :: /conversionValue/amount :: {REQUIRED}\n"
            'Index: 3, ERROR :: /user/userIds/0/idType :: "AXCIOM_ID" is not an enum symbol\n'
        )
        assert sandbox.control.stats().accepted == 0

    def test_hashed_names_exist_since_202609(self) -> None:
        names = {"hashedFirstName": HASH, "hashedLastName": HASH}
        element = event(user={"userIds": [], "userInfo": names})
        assert errors_of(element, "202609") == []
        assert f"ERROR :: /user/userInfo/hashedFirstName :: {UNRECOGNIZED}" in errors_of(element, "202608")

    def test_elements_without_the_batch_header_are_read_as_one_event(self, sandbox: RunningSandbox) -> None:
        answer = post(sandbox, {"elements": [event()]})
        assert answer.status_code == 422
        assert f"ERROR :: /elements :: {UNRECOGNIZED}\n" in answer.json()["message"]

    @pytest.mark.parametrize(
        "payload", [event(), {"elements": {}}, {"elements": []}, {"elements": [], "x": 1}]
    )
    def test_the_batch_header_needs_elements(self, sandbox: RunningSandbox, payload: Any) -> None:
        assert post(sandbox, payload, X_RestLi_Method="BATCH_CREATE").status_code == 400

    def test_a_batch_holds_at_most_5000(self, sandbox: RunningSandbox) -> None:
        one = event()
        assert post_batch(sandbox, *[one] * 5_000).status_code == 200
        assert post_batch(sandbox, *[one] * 5_001).status_code == 400

    @pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"a":NaN}', b"\xff\xfe", b"[" * 100_000])
    def test_what_is_not_a_json_object_is_400(self, sandbox: RunningSandbox, body: bytes) -> None:
        assert post(sandbox, body).status_code == 400

    def test_another_content_type_is_415(self, sandbox: RunningSandbox) -> None:
        assert post(sandbox, event(), Content_Type="text/plain").status_code == 415


class TestMeaning:
    """What is sound but cannot be stored: 403 first, then the 400s."""

    @pytest.mark.parametrize("conversion", ["urn:lla:llaPartnerConversion:1", FOREIGN_RULE])
    def test_an_unknown_rule_and_a_foreign_one_are_the_same_misleading_403(
        self, sandbox: RunningSandbox, conversion: str
    ) -> None:
        answer = post_batch(sandbox, event(), event(conversion=conversion))
        assert (answer.status_code, answer.json()) == (
            403,
            {"message": "No ad accounts found", "status": 403},
        )

    def test_the_other_accounts_token_sees_its_own_rules(self, sandbox: RunningSandbox) -> None:
        answer = post(sandbox, event(conversion=FOREIGN_RULE), Authorization=f"Bearer {OTHER_TOKEN}")
        assert answer.status_code == 201

    def test_structure_is_looked_at_before_the_rule(self, sandbox: RunningSandbox) -> None:
        assert post(sandbox, event(conversion=FOREIGN_RULE, x=1)).status_code == 422

    def test_a_rule_that_is_not_found_hides_what_is_wrong_with_the_time(
        self, sandbox: RunningSandbox
    ) -> None:
        assert post(sandbox, event(conversion=FOREIGN_RULE, conversionHappenedAt=1)).status_code == 403

    def test_a_rule_of_the_insight_tag_is_named_by_index(self, sandbox: RunningSandbox) -> None:
        answer = post_batch(sandbox, event(), event(conversion=INSIGHT_TAG_RULE))
        assert answer.status_code == 400
        assert answer.json()["message"] == (
            "Incorrect conversions information provided. Conversion's method should be CONVERSIONS_API,"
            " indices [1] (0-indexed)"
        )

    def test_a_disabled_rule_is_refused_without_an_index(self, sandbox: RunningSandbox) -> None:
        answer = post_batch(sandbox, event(), event(conversion=DISABLED_RULE))
        assert answer.status_code == 400
        assert answer.json()["message"] == (
            "Invalid Conversion information provided, this event(s) is associated to a conversion that's"
            " marked as deleted. Conversion enabled should be true"
        )

    def test_times_too_old_and_in_the_future_are_named_by_index(self, sandbox: RunningSandbox) -> None:
        old = event(conversionHappenedAt=now_ms() - 90 * DAY_MS - 5_000)
        future = event(conversionHappenedAt=now_ms() + 60_000)
        answer = post_batch(sandbox, old, event(), future)
        assert answer.status_code == 400
        assert answer.json()["message"] == (
            "Conversion time should be within 90 days and not exceed current time,"
            " indices [0, 2] (0-indexed)."
        )

    def test_seconds_instead_of_milliseconds_are_1970(self, sandbox: RunningSandbox) -> None:
        answer = post(sandbox, event(conversionHappenedAt=now_ms() // 1000))
        assert (answer.status_code, "indices [0] (0-indexed)." in answer.json()["message"]) == (400, True)

    @pytest.mark.parametrize(
        "user",
        [
            {"userIds": []},
            {"userIds": [{"idType": "SHA256_EMAIL", "idValue": ""}]},
            {
                "userIds": [
                    {"idType": "SHA256_EMAIL", "idValue": HASH},
                    {"idType": "ACXIOM_ID", "idValue": ""},
                ]
            },
            {"userIds": [], "externalIds": []},
            {"userIds": [], "userInfo": {"firstName": "", "lastName": ""}},
        ],
    )
    def test_nobody_to_look_for_is_refused_in_the_documented_form(
        self, sandbox: RunningSandbox, user: dict[str, Any]
    ) -> None:
        answer = post_batch(sandbox, event(), event(user=user))
        assert answer.status_code == 400
        assert "batchIndex=1, type=INVALID_USER_IDENTIFICATION_FIELD_VALUE" in answer.json()["message"]

    def test_an_empty_currency_is_400(self, sandbox: RunningSandbox) -> None:
        answer = post(sandbox, event(conversionValue={"currencyCode": "", "amount": "1"}))
        assert answer.status_code == 400

    def test_a_refused_batch_stores_nothing(self, sandbox: RunningSandbox) -> None:
        post_batch(sandbox, event("good"), event("bad", conversion=INSIGHT_TAG_RULE))
        assert sandbox.control.accepted() == {}


class TestReading:
    account = f"urn%3Ali%3AsponsoredAccount%3A{SANDBOX_ACCOUNT}"

    def test_rules_are_listed_in_pages_of_unknown_total(self, sandbox: RunningSandbox) -> None:
        first = get(sandbox, f"/conversions?q=account&account={self.account}&start=0&count=5").json()
        last = get(sandbox, f"/conversions?q=account&account={self.account}&start=5&count=5").json()
        assert first["paging"] == {"start": 0, "count": 5, "total": -1, "links": []}
        assert [rule["id"] for rule in first["elements"]] == [
            23948811,
            23948812,
            23948815,
            23948817,
            23948820,
        ]
        assert len(last["elements"]) == 2

    def test_one_rule_is_read_with_its_account(self, sandbox: RunningSandbox) -> None:
        rule = get(sandbox, f"/conversions/23948820?account={self.account}").json()
        assert (rule["name"], rule["conversionMethod"], rule["campaigns"]) == (
            "Closed lost",
            "CONVERSIONS_API",
            [],
        )
        assert get(sandbox, f"/conversions/1?account={self.account}").status_code == 404
        assert get(sandbox, f"/conversions/31550201?account={self.account}").status_code == 404

    def test_urns_must_be_encoded_and_searches_must_not(self, sandbox: RunningSandbox) -> None:
        plain = f"urn:li:sponsoredAccount:{SANDBOX_ACCOUNT}"
        assert get(sandbox, f"/conversions?q=account&account={plain}").status_code == 400
        assert (
            get(sandbox, "/adAccounts?q=search&search=(status:(values:List(ACTIVE)),test:false)").status_code
            == 200
        )
        assert get(sandbox, "/adAccounts?q=search&search=%28test:false%29").status_code == 400

    def test_another_companys_account_cannot_be_read(self, sandbox: RunningSandbox) -> None:
        account = f"urn%3Ali%3AsponsoredAccount%3A{OTHER_ACCOUNT}"
        assert get(sandbox, f"/conversions?q=account&account={account}").status_code == 403

    def test_accounts_users_and_campaigns(self, sandbox: RunningSandbox) -> None:
        assert get(sandbox, "/adAccounts?q=search").json()["elements"][0]["name"] == "Halden Systems EMEA"
        users = get(sandbox, "/adAccountUsers?q=authenticatedUser&fields=role,account").json()["elements"]
        assert users == [{"account": f"urn:li:sponsoredAccount:{SANDBOX_ACCOUNT}", "role": "ACCOUNT_MANAGER"}]
        campaigns = get(sandbox, f"/adAccounts/{SANDBOX_ACCOUNT}/adCampaigns?q=search&fields=id,name").json()
        assert len(campaigns["elements"]) == 3

    def test_a_token_may_be_unable_to_read_and_still_send(self, sandbox: RunningSandbox) -> None:
        sandbox.control.add_token("send-only", [SANDBOX_ACCOUNT], can_read=False)
        answer = get(sandbox, "/adAccounts?q=search", Authorization="Bearer send-only")
        assert (answer.status_code, answer.json()["code"]) == (403, "ACCESS_DENIED")
        assert post(sandbox, event(), Authorization="Bearer send-only").status_code == 201

    def test_a_rule_is_created_used_and_switched_off(self, sandbox: RunningSandbox) -> None:
        fields = {"account": f"urn:li:sponsoredAccount:{SANDBOX_ACCOUNT}", "name": "New", "type": "LEAD"}
        created = post(sandbox, fields, path="/conversions")
        assert created.status_code == 201
        rule = created.headers["x-restli-id"]
        conversion = f"urn:lla:llaPartnerConversion:{rule}"
        assert post(sandbox, event(conversion=conversion)).status_code == 201
        patch = {"patch": {"$set": {"enabled": False}}}
        path = f"/conversions/{rule}?account={self.account}"
        assert post(sandbox, patch, path=path, X_RestLi_Method="PARTIAL_UPDATE").status_code == 204
        assert post(sandbox, event(conversion=conversion)).status_code == 400

    def test_a_rule_is_updated_only_with_known_fields_of_their_type(self, sandbox: RunningSandbox) -> None:
        path = f"/conversions/23948811?account={self.account}"
        for changes in ({"colour": "red"}, {"enabled": "no"}):
            answer = post(sandbox, {"patch": {"$set": changes}}, path=path, X_RestLi_Method="PARTIAL_UPDATE")
            assert answer.status_code == 422


class TestFaults:
    def test_a_status_comes_as_often_as_ordered_and_stores_nothing(self, sandbox: RunningSandbox) -> None:
        sandbox.control.fault("status", status=503, count=2, headers={"Retry-After": "7"})
        answers = [post(sandbox, event()) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [503, 503, 201]
        assert answers[0].headers["Retry-After"] == "7"
        assert sandbox.control.stats().accepted == 1

    def test_a_fault_may_last_until_it_is_removed(self, sandbox: RunningSandbox) -> None:
        fault = sandbox.control.fault("status", status=429, count=None)
        assert {post(sandbox, event()).status_code for _ in range(4)} == {429}
        sandbox.control.remove_fault(fault)
        assert post(sandbox, event()).status_code == 201

    def test_a_fault_may_be_for_one_rule_or_event_only(self, sandbox: RunningSandbox) -> None:
        sandbox.control.fault("status", status=500, count=None, match={"rule": "23948817"})
        sandbox.control.fault("status", status=502, count=None, match={"event_id": "x"})
        assert post(sandbox, event()).status_code == 201
        assert post(sandbox, event(conversion=PURCHASE)).status_code == 500
        assert post(sandbox, event("x")).status_code == 502

    def test_chance_is_the_same_for_the_same_seed(self, sandbox: RunningSandbox) -> None:
        def run() -> list[int]:
            sandbox.control.reset()
            sandbox.control.fault("status", status=500, count=None, probability=0.5, seed=7)
            return [post(sandbox, event()).status_code for _ in range(20)]

        first = run()
        assert set(first) == {500, 201}
        assert run() == first

    def test_statuses_of_elements_are_told_one_by_one_and_only_201s_are_stored(
        self, sandbox: RunningSandbox
    ) -> None:
        sandbox.control.fault("element_status", statuses=[201, 400, 429, 500])
        answer = post_batch(sandbox, *[event(name) for name in "abcde"])
        assert [element["status"] for element in answer.json()["elements"]] == [201, 400, 429, 500, 201]
        assert sandbox.control.accepted() == {RULE: {"a": 1, "e": 1}}

    def test_an_answer_may_tell_of_fewer_elements_than_were_stored(self, sandbox: RunningSandbox) -> None:
        sandbox.control.fault("element_status", drop_last=1)
        answer = post_batch(sandbox, event("a"), event("b"))
        assert (answer.json(), sandbox.control.stats().accepted) == ({"elements": [{"status": 201}]}, 2)

    @pytest.mark.parametrize(("after_accept", "stored"), [(False, 0), (True, 1)])
    @pytest.mark.parametrize("kind", ["reset", "close", "timeout", "raw"])
    def test_a_connection_is_lost_before_or_after_the_event_was_stored(
        self, sandbox: RunningSandbox, kind: Any, after_accept: bool, stored: int
    ) -> None:
        sandbox.control.fault(kind, seconds=0.05, after_accept=after_accept)
        with pytest.raises(requests.ConnectionError):
            post(sandbox, event())
        assert sandbox.control.stats().accepted == stored
        assert sandbox.control.received(1)[0].status is None

    def test_a_reset_is_a_real_one(self, sandbox: RunningSandbox) -> None:
        sandbox.control.fault("reset")
        body = json.dumps(event()).encode()
        head = "".join(f"{name}: {value}\r\n" for name, value in headers().items())
        with socket.create_connection(("127.0.0.1", int(sandbox.origin.rpartition(":")[2])), 5) as connection:
            request = f"POST /rest/conversionEvents HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n"
            connection.sendall(request.encode() + body)
            with pytest.raises(ConnectionResetError):
                connection.recv(64)

    def test_garbage_is_a_200_that_is_not_json(self, sandbox: RunningSandbox) -> None:
        sandbox.control.fault("garbage")
        answer = post(sandbox, event())
        assert (answer.status_code, answer.text[:6]) == (200, "<html>")

    def test_a_slow_answer_is_the_right_one(self, sandbox: RunningSandbox) -> None:
        sandbox.control.fault("slow", seconds=0.2)
        started = time.monotonic()
        assert post(sandbox, event()).status_code == 201
        assert time.monotonic() - started >= 0.2

    def test_a_cut_answer_is_shorter_than_it_promised(self, sandbox: RunningSandbox) -> None:
        sandbox.control.fault("cut")
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            post_batch(sandbox, event())
        assert sandbox.control.stats().accepted == 1

    @pytest.mark.parametrize(
        ("indices", "tail"), [(False, "provided."), (True, "provided, indices [1] (0-indexed).")]
    )
    def test_poison_refuses_the_whole_batch(self, sandbox: RunningSandbox, indices: bool, tail: str) -> None:
        sandbox.control.poison(["bad"], indices=indices)
        answer = post_batch(sandbox, event("good"), event("bad"))
        assert (answer.status_code, answer.json()["message"]) == (
            400,
            f"Invalid conversion information {tail}",
        )
        assert post_batch(sandbox, event("good")).status_code == 200

    def test_poison_with_422_names_the_element(self, sandbox: RunningSandbox) -> None:
        sandbox.control.poison(["bad"], indices=True, status=422)
        answer = post_batch(sandbox, event("good"), event("bad"))
        assert (answer.status_code, answer.json()["message"]) == (
            422,
            "Index: 1, ERROR :: /eventId :: refused\n",
        )

    def test_the_clock_can_be_moved(self, sandbox: RunningSandbox) -> None:
        sandbox.control.set_clock(91 * 24 * 3600)
        assert post(sandbox, event()).status_code == 400
        sandbox.control.clear_faults()
        assert post(sandbox, event()).status_code == 201

    def test_a_rule_can_be_broken_and_mended(self, sandbox: RunningSandbox) -> None:
        sandbox.control.set_rule(23948811, method="INSIGHT_TAG_URL_MATCH_RULES")
        assert post(sandbox, event()).status_code == 400
        sandbox.control.set_rule(23948811, method="CONVERSIONS_API")
        assert post(sandbox, event()).status_code == 201
        sandbox.control.remove_rule(23948811)
        assert post(sandbox, event()).status_code == 403

    def test_without_our_server_a_spoilt_connection_becomes_a_502(self) -> None:
        sandbox = Sandbox()
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/rest/x", "QUERY_STRING": ""}
        order = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/_control/faults",
            "CONTENT_TYPE": "application/json",
        }
        body = json.dumps({"kind": "reset", "match": {"path": ""}}).encode()
        statuses: list[str] = []

        def start(status: str, headers: Any, exc_info: Any = None) -> Any:
            statuses.append(status)

        sandbox({**order, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}, start)
        sandbox({**environ, "wsgi.input": io.BytesIO()}, start)
        assert statuses == ["200 OK", "502 Bad Gateway"]
        assert WIRE_SLOT not in environ


class TestControl:
    def test_what_was_received_is_shown_byte_for_byte_and_without_the_token(
        self, sandbox: RunningSandbox
    ) -> None:
        body = b'{"elements": [ ' + json.dumps(event("lm_\u00e4"), ensure_ascii=False).encode() + b" ]}"
        post(sandbox, body, X_RestLi_Method="BATCH_CREATE")
        post(sandbox, body, X_RestLi_Method="BATCH_CREATE")
        second, first = sandbox.control.received(limit=10)
        assert first.body == body.decode()
        assert (first.status, first.accepted, first.fault) == (200, 1, None)
        assert (first.events[0].event_id, first.events[0].conversion) == ("lm_\u00e4", RULE)
        assert second.events[0].times_accepted == 2
        assert first.headers["authorization"] == "Bearer ***"
        assert SANDBOX_TOKEN not in repr(first)

    def test_the_list_can_be_narrowed_to_a_path_and_to_what_is_new(self, sandbox: RunningSandbox) -> None:
        post(sandbox, event("a"))
        get(sandbox, "/adAccounts?q=search")
        newest = sandbox.control.received(1)[0]
        assert newest.path == "/rest/adAccounts?q=search"
        assert sandbox.control.received(path="conversionEvents")[0].events[0].event_id == "a"
        assert sandbox.control.received(after=newest.id) == []

    def test_duplicates_are_counted_by_conversion_and_event_id(self, sandbox: RunningSandbox) -> None:
        post_batch(sandbox, event("a"), event("a", conversion=PURCHASE), event("b"), event(eventId=None))
        post(sandbox, event("a"))
        stats = sandbox.control.stats()
        assert (stats.accepted, stats.unique, stats.duplicates, stats.without_event_id) == (5, 3, 1, 1)
        assert stats.by_conversion == {RULE: 3, PURCHASE: 1}
        assert stats.requests_by_status == {"200": 1, "201": 1}

    def test_details_are_kept_for_a_while_and_ids_for_ever(self, sandbox: RunningSandbox) -> None:
        for batch in range(12):
            post_batch(sandbox, *[event(f"{batch}-{n}") for n in range(500)])
        assert len(sandbox.control.received(1_000)) == 10
        assert sandbox.control.stats().unique == 6_000

    def test_a_key_is_asked_for_when_there_is_one(self) -> None:
        with running_sandbox(control_key="s3cret") as locked:
            assert locked.control.stats().requests == 0
            for given in ({}, {"X-Sandbox-Key": "wrong"}):
                answer = requests.get(f"{locked.origin}/_control/stats", headers=given, timeout=5)
                assert answer.status_code == 403

    def test_foreign_pages_and_forms_are_kept_out(self, sandbox: RunningSandbox) -> None:
        url = f"{sandbox.origin}/_control/reset"
        assert (
            requests.get(
                f"{sandbox.origin}/_control/stats", headers={"Host": "evil.example"}, timeout=5
            ).status_code
            == 403
        )
        assert (
            requests.post(url, data="{}", headers={"Content-Type": "text/plain"}, timeout=5).status_code
            == 400
        )

    @pytest.mark.parametrize(
        ("name", "order"),
        [
            ("faults", {"kind": "explosion"}),
            ("faults", {"kind": "status", "colour": 1}),
            ("faults", {"kind": "status", "match": {"colour": 1}}),
            ("faults", []),
            ("tokens", {"token": "t", "accounts": [1]}),
            ("tokens/revoke", {"token": "never"}),
            ("rules", {"id": 5}),
            ("versions", {"version": "202609", "ends": "soon"}),
            ("poison", {"event_ids": ["a"], "status": 200}),
            ("clock", {"offset_seconds": "1"}),
            ("nowhere", {}),
        ],
    )
    def test_a_bad_order_is_refused_in_a_sentence(
        self, sandbox: RunningSandbox, name: str, order: Any
    ) -> None:
        if order == []:
            order = [7]
        answer = requests.post(f"{sandbox.origin}/_control/{name}", json=order, timeout=5)
        assert answer.status_code == 400
        assert answer.json()["message"].endswith(".")

    def test_the_client_raises_the_sentence(self, sandbox: RunningSandbox) -> None:
        with pytest.raises(ControlRefused, match="never given out"):
            sandbox.control.revoke_token("never")

    def test_the_world_is_shown_without_tokens(self, sandbox: RunningSandbox) -> None:
        world = sandbox.control.world()
        assert SANDBOX_TOKEN not in json.dumps(world)
        assert {rule["id"]: rule["name"] for rule in world["rules"]}[23948815] == "Demo booked"


def test_many_senders_at_once_lose_and_double_nothing(sandbox: RunningSandbox) -> None:
    def send(sender: int) -> None:
        with requests.Session() as session:
            for batch in range(10):
                elements = [event(f"{sender}-{batch}-{n}") for n in range(20)]
                answer = session.post(
                    f"{sandbox.url}/conversionEvents",
                    json={"elements": elements},
                    headers=headers(X_RestLi_Method="BATCH_CREATE"),
                    timeout=10,
                )
                assert answer.status_code == 200

    senders = [threading.Thread(target=send, args=(n,)) for n in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    stats = sandbox.control.stats()
    assert (stats.accepted, stats.unique, stats.duplicates) == (1_600, 1_600, 0)


def test_stopping_does_not_wait_for_held_connections() -> None:
    lost: list[Exception] = []

    def send() -> None:
        try:
            post(sandbox, event())
        except requests.ConnectionError as error:
            lost.append(error)

    started = time.monotonic()
    held = threading.Thread(target=send)
    with running_sandbox() as sandbox:
        sandbox.control.fault("timeout", seconds=60)
        held.start()
        while sandbox.control.stats().requests == 0:
            time.sleep(0.01)
    held.join()
    assert time.monotonic() - started < 3
    assert len(lost) == 1


def test_the_command_tells_what_to_set_and_ends_cleanly() -> None:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "sandbox", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A database that nobody could reach: the command must not want one.
        env={**os.environ, "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none", "DEBUG": "1"},
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip().removeprefix("LINKEDIN_API_URL=")
        assert SANDBOX_TOKEN in process.stdout.readline()
        answer = requests.post(f"{url}/conversionEvents", json=event(), headers=headers(), timeout=5)
        assert answer.status_code == 201
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=10)
    finally:
        process.kill()
    assert (process.returncode, errors, output.splitlines()[-1]) == (0, "", "Sandbox stopped.")


def test_the_command_says_that_its_port_is_taken(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    handled: list[int] = []
    monkeypatch.setattr(signal, "signal", lambda number, handler: handled.append(number))
    with pytest.raises(CommandError, match="Choose another with --port"):
        call_command("sandbox", port=int(sandbox.origin.rpartition(":")[2]))
    assert handled == [signal.SIGTERM, signal.SIGINT]


def test_the_server_needs_nothing_but_the_standard_library() -> None:
    code = "import capi.sandbox.server, sys; print({'django', 'requests', 'urllib3'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")
