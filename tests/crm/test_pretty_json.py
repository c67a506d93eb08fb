"""JSON as people read it."""

import html
import re

from crm.pretty_json import pretty_json

ELEMENT = (
    '{"conversion":"urn:lla:llaPartnerConversion:1","conversionHappenedAt":1795179731000,'
    '"conversionValue":{"currencyCode":"USD","amount":"62000.00"},'
    '"user":{"userIds":[{"idType":"SHA256_EMAIL","idValue":"' + "8" * 64 + '"}]}}'
)

READ = """\
{
  "conversion": "urn:lla:llaPartnerConversion:1",
  "conversionHappenedAt": 1795179731000, // 20 Nov 2026, 13:02:11 UTC
  "conversionValue": { "currencyCode": "USD", "amount": "62000.00" },
  "user": { "userIds": [
    { "idType": "SHA256_EMAIL", // ann@example.com
      "idValue": "%s" }
  ] }
}""" % ("8" * 64)


def text_of(markup: str) -> str:
    return html.unescape(re.sub("<[^>]+>", "", markup))


def test_short_objects_stand_on_one_line_and_notes_are_ours() -> None:
    assert text_of(pretty_json(ELEMENT, {"8" * 64: "ann@example.com"})) == READ


def test_a_batch_hugs_its_elements() -> None:
    lines = text_of(pretty_json('{"elements":[' + ELEMENT + "]}")).splitlines()
    assert lines[0] == '{ "elements": ['
    assert lines[1] == '  { "conversion": "urn:lla:llaPartnerConversion:1",'
    assert lines[2].endswith("// 20 Nov 2026, 13:02:11 UTC")
    assert lines[-1] == "] }"


def test_names_are_bold_and_nothing_can_break_out() -> None:
    markup = pretty_json({"<b>": "</pre><script>alert(1)</script>", "note": "x"}, {"x": "<i>"})
    assert "<script>" not in markup
    assert markup.count("<b>") == 2
    assert "// &lt;i&gt;" in markup


def test_what_is_not_json_is_shown_as_it_is() -> None:
    assert pretty_json("<html>502</html>") == "&lt;html&gt;502&lt;/html&gt;"
    assert pretty_json("") == ""


def test_an_impossible_time_is_said_to_be_none() -> None:
    assert "not a time" in pretty_json({"conversionHappenedAt": 10**30})


def test_small_values_stay_small() -> None:
    assert [text_of(pretty_json(text)) for text in ("{}", "[]", "null", "[1,{}]", '"a"')] == [
        "{}", "[]", "null", "[1, {}]", '"a"',
    ]  # fmt: skip
