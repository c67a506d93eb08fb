"""From facts to the element that LinkedIn is sent."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capi import payload
from capi.payload import Element, Facts, NoIdentifier, Person

KNOWN = json.loads((Path(__file__).parent / "vectors" / "elements.json").read_text())
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FACTS = Facts("123", "lm_abc", NOW, Decimal("62000.00"), "EUR")
ANN = Person(
    email="ann@example.com",
    li_fat_id="click-1",
    lead_gen_response="response-1",
    first_name="Ann",
    last_name="Lee",
    title="CEO",
    organization="Acme",
    country_code="DE",
)


def built(
    facts: Facts = FACTS, person: Person = ANN, *, enhanced: bool = False, version: str = "202609"
) -> Element:
    return payload.build(facts, person, enhanced=enhanced, version=version)


def parsed(element: Element) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(element.text)
    return found


@pytest.mark.parametrize("case", KNOWN.values(), ids=KNOWN)
def test_an_element_has_the_known_shape(case: dict[str, Any]) -> None:
    raw = case["facts"]
    facts = Facts(
        raw["conversion_id"],
        raw["event_id"],
        datetime.fromisoformat(raw["happened_at"]),
        Decimal(raw["value"]) if "value" in raw else None,
        raw.get("currency", ""),
    )

    element = built(
        facts,
        Person(**case["person"]),
        enhanced=case.get("enhanced", False),
        version=case.get("version", "202609"),
    )

    assert parsed(element) == case["element"]


class TestTheText:
    def test_is_the_same_bytes_for_the_same_facts(self) -> None:
        assert built().text == (
            '{"conversion":"urn:lla:llaPartnerConversion:123","conversionHappenedAt":1795262400000,'
            '"conversionValue":{"currencyCode":"EUR","amount":"62000.00"},"eventId":"lm_abc","user":{"userIds":['
            '{"idType":"LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID","idValue":"click-1"},{"idType":"SHA256_EMAIL",'
            '"idValue":"71d4f55f72fa128dfb468a1a3901507c804b74316488744d769d7f4b16696476"}],'
            '"lead":"urn:li:leadGenFormResponse:response-1"}}'
        )

    def test_is_ascii(self) -> None:
        person = replace(ANN, organization="Žluťoučký s.r.o.", li_fat_id="ü\x00")

        assert built(person=person, enhanced=True).text.isascii()

    def test_has_its_keys_in_one_order(self) -> None:
        element = parsed(built(enhanced=True))

        assert list(element) == ["conversion", "conversionHappenedAt", "conversionValue", "eventId", "user"]
        assert list(element["user"]) == ["userIds", "userInfo", "lead"]


class TestIdentifiers:
    def test_are_named_in_order(self) -> None:
        assert built(enhanced=True).identifiers == ("lead_gen_response", "click_id", "email", "name")
        assert built().identifiers == ("lead_gen_response", "click_id", "email")
        assert built(person=Person(email="a@b.co")).identifiers == ("email",)

    @pytest.mark.parametrize(
        "person",
        [
            Person(),
            Person(email="  ", li_fat_id="\t", lead_gen_response=" "),
            Person(lead_gen_response="urn:li:person:1"),
            Person(lead_gen_response="urn:li:leadGenFormResponse:"),
            Person(lead_gen_response="two words"),
            Person(first_name="Ann", last_name="Lee", title="CEO", organization="Acme", country_code="DE"),
        ],
    )
    def test_without_one_nothing_is_built(self, person: Person) -> None:
        with pytest.raises(NoIdentifier):
            built(person=person)

    def test_both_names_suffice_only_with_enhanced_matching(self) -> None:
        ann = Person(first_name="Ann", last_name="Lee")

        element = built(person=ann, enhanced=True)

        assert element.identifiers == ("name",)
        assert parsed(element)["user"]["userIds"] == []
        with pytest.raises(NoIdentifier):
            built(person=ann)

    def test_the_click_id_is_sent_as_captured(self) -> None:
        element = parsed(built(person=Person(li_fat_id=" aBc-%2F ")))

        assert element["user"]["userIds"][0]["idValue"] == "aBc-%2F"


class TestPersonalData:
    def test_by_default_no_name_and_no_plain_address_leaves(self) -> None:
        text = built().text

        for secret in ("ann@", "Ann", "Lee", "CEO", "Acme", "DE", "userInfo"):
            assert secret not in text

    @pytest.mark.parametrize("incomplete", [{"first_name": ""}, {"last_name": "  "}, {"last_name": "-"}])
    def test_with_one_name_nothing_about_the_person_leaves(self, incomplete: dict[str, str]) -> None:
        element = built(person=replace(ANN, **incomplete), enhanced=True)

        assert "userInfo" not in parsed(element)["user"]
        assert "name" not in element.identifiers

    def test_from_202609_names_leave_hashed_only(self) -> None:
        new = parsed(built(enhanced=True, version="202609"))["user"]["userInfo"]
        old = parsed(built(enhanced=True, version="202608"))["user"]["userInfo"]

        assert list(new) == ["hashedFirstName", "hashedLastName", "title", "companyName", "countryCode"]
        assert re.fullmatch("[0-9a-f]{64}", new["hashedFirstName"])
        assert (old["firstName"], old["lastName"]) == ("Ann", "Lee")

    @pytest.mark.parametrize("country", ["", "USA", "D", "1A", "Ünited"])
    def test_a_country_that_is_no_two_letters_stays_out(self, country: str) -> None:
        person = replace(ANN, country_code=country, title="", organization=" ")

        assert set(parsed(built(person=person, enhanced=True))["user"]["userInfo"]) == {
            "hashedFirstName",
            "hashedLastName",
        }


class TestValue:
    @pytest.mark.parametrize(
        ("value", "amount"),
        [
            ("62000.00", "62000.00"),
            ("6.2E+4", "62000"),
            ("1E-3", "0.001"),
            ("0.10", "0.10"),
            ("1E+30", "1" + "0" * 30),
        ],
    )
    def test_is_a_decimal_string(self, value: str, amount: str) -> None:
        element = parsed(built(replace(FACTS, value=Decimal(value))))

        assert element["conversionValue"] == {"currencyCode": "EUR", "amount": amount}

    @pytest.mark.parametrize("value", [None, "0", "0.00", "-1", "-0", "NaN", "sNaN", "Infinity", "-Infinity"])
    def test_that_is_not_above_zero_stays_out(self, value: str | None) -> None:
        facts = replace(FACTS, value=None if value is None else Decimal(value))

        assert "conversionValue" not in parsed(built(facts))

    @pytest.mark.parametrize("currency", ["", "usd", "US", "USDT", "U D", "EUR\n", "ÉUR"])
    def test_without_a_currency_stays_out(self, currency: str) -> None:
        assert "conversionValue" not in parsed(built(replace(FACTS, currency=currency)))


class TestConversionId:
    @pytest.mark.parametrize(
        "text", ["123", " 123\n", "urn:lla:llaPartnerConversion:123", " urn:lla:llaPartnerConversion:123 "]
    )
    def test_is_read_from_number_and_urn(self, text: str) -> None:
        assert payload.conversion_id(text) == "123"

    def test_has_up_to_20_digits(self) -> None:
        assert payload.conversion_id("9" * 20) == "9" * 20

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("", "missing"),
            ("   ", "missing"),
            ("urn:lla:llaPartnerConversion:", "missing"),
            ("urn:li:llaPartnerConversion:123", "not the URN"),
            ("urn:lla:llaParterConversion:123", "not the URN"),
            ("urn:li:conversion:123", "not the URN"),
            ("abc", "digits only"),
            ("12 3", "digits only"),
            ("-1", "digits only"),
            ("1.0", "digits only"),
            ("1e5", "digits only"),
            ("١٢٣", "digits only"),  # Arabic-Indic digits
            ("12\x003", "digits only"),
            ("0", "zero"),
            ("0123", "zero"),
            ("9" * 21, "20 digits"),
        ],
    )
    def test_that_is_none_is_refused_with_a_sentence(self, text: str, why: str) -> None:
        with pytest.raises(ValueError, match=why) as refused:
            payload.conversion_id(text)
        assert "Campaign Manager" in str(refused.value)

    def test_becomes_a_urn(self) -> None:
        assert payload.conversion_urn("123") == "urn:lla:llaPartnerConversion:123"


class TestEventId:
    COMPANY, DEAL = UUID(int=1), UUID(int=2)

    def test_never_changes(self) -> None:
        made = payload.event_id(self.COMPANY, "123", "deal_won", self.DEAL, 1)

        # A golden value: another one would have LinkedIn count everything once more.
        assert made == "lm_fqiudrvihicurila4nipgo5ocudmhddcebzqgfcyguhifvi3h7oa"

    def test_differs_when_any_part_does(self) -> None:
        ids = {
            payload.event_id(self.COMPANY, "123", "deal_won", self.DEAL, 1),
            payload.event_id(self.DEAL, "123", "deal_won", self.DEAL, 1),
            payload.event_id(self.COMPANY, "124", "deal_won", self.DEAL, 1),
            payload.event_id(self.COMPANY, "123", "deal_lost", self.DEAL, 1),
            payload.event_id(self.COMPANY, "123", "deal_won", self.COMPANY, 1),
            payload.event_id(self.COMPANY, "123", "deal_won", self.DEAL, 2),
            payload.event_id(self.COMPANY, "12", "3deal_won", self.DEAL, 1),
        }

        assert len(ids) == 7

    @given(st.uuids(), st.uuids(), st.integers(min_value=0))
    def test_fits_everywhere_an_event_id_may_go(self, company: UUID, subject: UUID, occurrence: int) -> None:
        made = payload.event_id(company, "123", "lead_created", subject, occurrence)

        assert re.fullmatch("lm_[a-z2-7]{52}", made)
        assert payload.is_browser_event_id(made)

    def test_of_a_test_is_marked(self) -> None:
        made = payload.test_event_id("nonce-1")

        assert re.fullmatch("test_[a-z2-7]{52}", made)
        assert made != payload.test_event_id("nonce-2")

    @pytest.mark.parametrize("text", ["a", "A.b_c:d-9", "x" * 64, "opp-77:won"])
    def test_from_the_browser_may_be_these(self, text: str) -> None:
        assert payload.is_browser_event_id(text)

    @pytest.mark.parametrize("text", ["", "x" * 65, "a b", "a\n", "é", "a/b", "a\x00", "<script>"])
    def test_from_the_browser_may_not_be_those(self, text: str) -> None:
        assert not payload.is_browser_event_id(text)


class TestTime:
    @pytest.mark.parametrize(
        ("moment", "expected"),
        [
            (datetime(2023, 10, 14, tzinfo=UTC), 1697241600000),
            (datetime(2023, 10, 14, 2, tzinfo=timezone(timedelta(hours=2))), 1697241600000),
            (datetime(2023, 10, 14, microsecond=999_999, tzinfo=UTC), 1697241600999),
        ],
    )
    def test_is_epoch_milliseconds_rounded_down(self, moment: datetime, expected: int) -> None:
        assert payload.milliseconds(moment) == expected

    def test_without_a_time_zone_is_refused(self) -> None:
        with pytest.raises(ValueError, match="time zone"):
            payload.milliseconds(datetime(2026, 11, 21))  # noqa: DTZ001  that is the case

    def test_in_1970_was_meant_as_seconds(self) -> None:
        moment = datetime.fromtimestamp(1_766_000_000 / 1000, tz=UTC)

        with pytest.raises(ValueError, match="seconds"):
            payload.milliseconds(moment)

    def test_the_deadline_leaves_six_hours(self) -> None:
        assert payload.deadline(NOW) == NOW + timedelta(days=89, hours=18)

    def test_a_person_has_until_a_quarter_of_an_hour_before_the_end(self) -> None:
        assert payload.resend_deadline(NOW) == NOW + timedelta(days=90) - timedelta(minutes=15)

    @pytest.mark.parametrize(
        ("age", "too_old"),
        [
            (timedelta(days=89), False),
            (timedelta(days=89, seconds=1), True),
            (timedelta(days=400), True),
            (timedelta(0), False),
        ],
    )
    def test_is_too_old_to_record_a_day_before_the_end(self, age: timedelta, too_old: bool) -> None:
        assert payload.too_old_to_record(NOW - age, NOW) is too_old

    @pytest.mark.parametrize(
        ("ahead", "becomes"),
        [
            (timedelta(days=-3), timedelta(days=-3)),
            (timedelta(0), timedelta(0)),
            (timedelta(seconds=1), timedelta(0)),
            (timedelta(minutes=5), timedelta(0)),
        ],
    )
    def test_up_to_five_minutes_ahead_is_now(self, ahead: timedelta, becomes: timedelta) -> None:
        assert payload.clamp_future(NOW + ahead, NOW) == NOW + becomes

    def test_further_ahead_is_refused(self) -> None:
        with pytest.raises(ValueError, match="future"):
            payload.clamp_future(NOW + timedelta(minutes=5, seconds=1), NOW)


class TestPreview:
    def codes(self, person: Person, facts: Facts = FACTS, **how: bool) -> list[str]:
        shown = payload.preview(
            facts,
            person,
            enhanced=how.get("enhanced", False),
            version="202609",
            wants_value=how.get("wants_value", False),
        )
        return [missing.code for missing in shown.missing]

    def test_shows_what_would_be_sent(self) -> None:
        shown = payload.preview(FACTS, ANN, enhanced=True, version="202609")

        assert shown.element == parsed(built(enhanced=True))
        assert shown.missing == ()

    def test_says_what_would_match_better(self) -> None:
        assert self.codes(Person(email="a@b.co")) == ["no_click_id"]
        assert self.codes(Person(li_fat_id="x"), enhanced=True) == ["no_email", "no_name_pair"]
        assert self.codes(replace(ANN, lead_gen_response="urn:li:person:1")) == ["bad_lead_gen_response"]

    def test_says_that_a_value_will_be_missed(self) -> None:
        without = replace(FACTS, value=None, currency="")

        assert self.codes(ANN, without) == []
        assert self.codes(ANN, without, wants_value=True) == ["no_value"]
        assert self.codes(ANN, replace(FACTS, currency="")) == ["no_value"]

    def test_without_an_identifier_there_is_no_element(self) -> None:
        shown = payload.preview(FACTS, Person(), enhanced=False, version="202609")

        assert shown.element is None
        assert [m.code for m in shown.missing if m.blocks] == ["no_identifier"]
        assert "Add an e-mail" in shown.missing[0].sentence

    def test_with_an_impossible_time_there_is_no_element(self) -> None:
        shown = payload.preview(
            replace(FACTS, happened_at=datetime(1970, 1, 21, tzinfo=UTC)),
            ANN,
            enhanced=False,
            version="202609",
        )

        assert shown.element is None
        assert [m.code for m in shown.missing if m.blocks] == ["bad_time"]


PEOPLE = st.builds(Person, *[st.text(max_size=40)] * 8)


@given(PEOPLE, st.booleans(), st.sampled_from(["202601", "202609", "202712"]))
def test_whoever_it_is_the_element_is_complete_or_refused(
    person: Person, enhanced: bool, version: str
) -> None:
    try:
        element = built(person=person, enhanced=enhanced, version=version)
    except NoIdentifier:
        return

    user = parsed(element)["user"]
    assert element.identifiers
    assert isinstance(user["userIds"], list)
    assert all(one["idValue"] for one in user["userIds"])
    assert all(user.get("userInfo", {"-": "-"}).values())
    assert enhanced or "userInfo" not in user


@given(PEOPLE, st.booleans())
def test_preview_and_build_agree(person: Person, enhanced: bool) -> None:
    shown = payload.preview(FACTS, person, enhanced=enhanced, version="202609")

    if shown.element is None:
        with pytest.raises(NoIdentifier):
            built(person=person, enhanced=enhanced)
    else:
        assert shown.element == parsed(built(person=person, enhanced=enhanced))
