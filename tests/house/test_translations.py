"""Every text is marked for translation, and every marked text has its German one."""

import gettext
import re

import pytest

from crm.texts import SCRIPT_WORDS, STORED_SENTENCES, told_again
from leadmachine.env import REPOSITORY
from tests.house.marked_texts import CATALOG, Message, catalog, messages, templates, unmarked

# Pages for those who build, where English is spoken, and letters of the law that are translated by lawyers.
ENGLISH_PAGES = ("templates/styleguide.html", "templates/admin/", "templates/crm/api_docs.html")
NAMES = re.compile(r"%\(\w+\)(?:s|d|\.\d+f)|%%|%d|{\w*(?:![rs])?(?::[^}]*)?}")
TAGS = re.compile(r"</?(\w+)")


def key(message: Message) -> tuple[str, str]:
    """What a text is looked up by; where one place counts it and another does not, the catalog has it counted."""
    return message.text, message.context


def test_templates_have_no_text_that_is_not_marked() -> None:
    found = {str(path.relative_to(REPOSITORY)): unmarked(path.read_text("utf-8")) for path in templates()}
    assert {
        name: texts for name, texts in found.items() if texts and not name.startswith(ENGLISH_PAGES)
    } == {}


@pytest.mark.parametrize(
    "source",
    [
        "<p>Some words</p>",
        '<a title="Some words">{{ name }}</a>',
        '{% include "x.html" with label="Words" %}',
        '{% badge "Ready" "good" %}',
        '{{ name|default:"No name" }}',
        "<p>{{ count }} rows</p>",
        '{{ is_on|yesno:"Yes,No" }}',
        '{{ count|pluralize:"person,people" }}',
    ],
)
def test_what_is_not_marked_is_found(source: str) -> None:
    assert unmarked(source)


@pytest.mark.parametrize(
    "source",
    [
        '<p>{% translate "Some words" %}</p>',
        "<p>{% blocktranslate %}{{ count }} rows{% endblocktranslate %}</p>",
        '<a title="{% translate "Some words" %}" class="some words">{{ name }}</a>',
        '{% include "x.html" with label=_("Words") icon="inbox" %}',
        "{# Some words #}<p>LinkedIn · 12</p>",
    ],
)
def test_what_is_marked_is_left_alone(source: str) -> None:
    assert unmarked(source) == []


def test_every_text_has_its_german_one() -> None:
    known = {key(message) for message in catalog()}
    missing = {message: where for message, where in messages().items() if key(message) not in known}
    assert missing == {}, "Run `make messages`, and translate what is new."
    assert [message for message, words in catalog().items() if not all(words)] == []


def test_no_german_text_is_left_over() -> None:
    assert {key(message) for message in catalog()} - {key(message) for message in messages()} == set()


def test_no_translation_is_only_guessed() -> None:
    assert "fuzzy" not in CATALOG.read_text("utf-8")


def test_a_translation_has_the_names_and_tags_of_its_text() -> None:
    assert [
        words for message, all_words in catalog().items() for words in all_words if not fits(message, words)
    ] == []


def fits(message: Message, words: str) -> bool:
    wanted = {frozenset(NAMES.findall(text)) for text in (message.text, message.plural) if text}
    return (
        frozenset(NAMES.findall(words)) in wanted
        and sorted(TAGS.findall(words)) == sorted(TAGS.findall(message.text))
        and words[:1].isspace() == message.text[:1].isspace()
        and words[-1:].isspace() == message.text[-1:].isspace()
    )


def test_a_translation_that_lost_a_name_is_found() -> None:
    message = Message("Hello <b>%(name)s</b>", "", "")
    assert fits(message, "Hallo <b>%(name)s</b>")
    assert not fits(message, "Hallo <b></b>")
    assert not fits(message, "Hallo %(name)s")


def test_the_compiled_catalog_is_what_the_readable_one_says() -> None:
    with CATALOG.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for message, words in catalog().items():
        key = f"{message.context}\x04{message.text}" if message.context else message.text
        known = (
            [compiled._catalog.get(key)]
            if not message.plural
            else [  # type: ignore[attr-defined]
                compiled._catalog.get((key, place))
                for place in range(len(words))  # type: ignore[attr-defined]
            ]
        )
        assert known == words, "Run `make messages`."


def test_scripts_say_only_what_the_page_can_translate_for_them() -> None:
    said = set()
    for script in (REPOSITORY / "static" / "js").glob("*.js"):
        said |= set(re.findall(r'\bsay\(\s*"([^"]*)"', script.read_text("utf-8")))
    assert said == set(SCRIPT_WORDS)


def test_a_stored_sentence_is_told_in_the_reader_s_language_with_its_names() -> None:
    from django.utils import translation

    with translation.override("de"):
        assert told_again("Set to Qualified") == "Auf Qualified gesetzt"
        assert told_again("It was so already.") == "Es war schon so."
        assert told_again("A sentence of somebody") == "A sentence of somebody"
    assert told_again("Set to Qualified") == "Set to Qualified"
    assert all("{" in text or text[0].isupper() for text in STORED_SENTENCES)
