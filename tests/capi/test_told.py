"""The stored sentences about conversions, told again in the reader's language."""

import pytest
from django.utils import translation

from capi import payload, wording
from capi.told import told


@pytest.mark.parametrize("code", wording.SENTENCES)
@pytest.mark.parametrize("status", [None, 422])
def test_every_sentence_has_a_german_one(code: str, status: int | None) -> None:
    english = wording.sentence(code, status=status)
    with translation.override("de"):
        german = told(english)
    assert german != english
    assert ("(422)" in german) == ("(422)" in english)


def test_what_linkedin_said_and_what_broke_stay_as_they_are() -> None:
    english = wording.sentence("not_sent", said="Try later", cause="Connection refused")
    with translation.override("de"):
        german = told(english)
    assert german.startswith("LinkedIn war nicht erreichbar.")
    assert german.endswith("Meldung von LinkedIn: Try later Ursache: Connection refused")


def test_several_fields_that_linkedin_dislikes_are_each_told() -> None:
    problems = [
        wording.field_problem("/user/userInfo/lastName", "field is required but not found"),
        wording.field_problem("/user/userInfo/title", "cannot be coerced"),
    ]
    with translation.override("de"):
        assert told(wording.field_sentence(problems, 422)) == (
            "Nachname fehlt; Position hat den falschen Typ. LinkedIn hat dieses Event abgelehnt (422) und nichts davon "
            "gespeichert. Korrigieren Sie den Lead und senden Sie erneut."
        )


def test_how_long_those_who_wait_still_can_is_told() -> None:
    with translation.override("de"):
        assert told(wording.waiting(3, 5)).startswith("3 Events warten und werden automatisch gesendet")
        assert told(wording.waiting(3, 5)).endswith("das älteste kann warten: noch 5 Tage.")
        assert told(wording.waiting(1, 1)).endswith("es kann warten: noch 1 Tag.")


def test_what_is_wrong_with_a_conversion_id_is_told() -> None:
    with pytest.raises(ValueError, match="digits only") as refused:
        payload.conversion_id("abc")
    with translation.override("de"):
        german = told(str(refused.value))
    assert german.startswith("Eine LinkedIn-Conversion-ID besteht nur aus Ziffern. Kopieren Sie sie aus dem")


def test_english_stays_english_and_so_does_what_nobody_knows() -> None:
    assert told("There is no such sentence.") == "There is no such sentence."
    with translation.override("de"):
        assert told("There is no such sentence.") == "There is no such sentence."
        assert told("") == ""
