"""Template tags and the parts they draw: what a page must be able to rely on."""

import datetime as dt
import re
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django import forms
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages import get_messages
from django.contrib.messages.storage.fallback import FallbackStorage
from django.http import HttpRequest
from django.template import Context, Template
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import timezone

from crm.frame import Account, CompanyChoice, Frame, NavItem, Toast, ToastAction
from crm.templatetags import ui
from crm.toasts import render_toast, show_toast

NOON = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)


def drawn(source: str, request: HttpRequest | None = None, **context: Any) -> str:
    return Template("{% load ui %}" + source).render(Context({"request": request, **context})).strip()


def visit(address: str) -> HttpRequest:
    """A request of somebody who is not signed in, as the middleware leaves it."""
    request = RequestFactory().get(address)
    request.user = AnonymousUser()
    request.principal = None  # type: ignore[attr-defined]
    return request


def test_an_icon_comes_from_heroicons_or_from_our_sprite_and_is_never_read_aloud() -> None:
    for source in ('{% icon "users" %}', '{% icon "solid-check" "good" %}', '{% icon "pie-2" %}'):
        assert 'aria-hidden="true"' in drawn(source)
    assert 'class="icon solid good"' in drawn('{% icon "solid-check" "good" %}')
    assert '<use href="#pie-2">' in drawn('{% icon "pie-2" %}')


def test_our_symbols_are_in_the_sprite() -> None:
    sprite = render_to_string("components/sprite.html")
    assert set(re.findall(r'<symbol id="([^"]+)"', sprite)) == ui.OWN_SYMBOLS


def test_a_name_cannot_become_markup() -> None:
    assert "<img" not in drawn("{% avatar name %}", name="<img src=x> Y")
    assert "<img" not in drawn('{% icon "pie-2" css %}', css='"><img src=x>')


@time_machine.travel(NOON, tick=False)
def test_a_time_is_relative_with_the_exact_one_on_hover_in_the_zone_of_the_reader() -> None:
    with timezone.override("Europe/Oslo"):
        shown = drawn("{{ at|relative_time }}", at=NOON - dt.timedelta(minutes=12))
        assert shown == (
            '<time datetime="2026-11-20T11:48:00+00:00" title="20 Nov 2026, 12:48:00 CET">12 min ago</time>'
        )
        assert ">12:48</time>" in drawn("{{ at|clock_time }}", at=NOON - dt.timedelta(minutes=12))
        late = dt.datetime(2026, 11, 19, 23, 30, tzinfo=dt.UTC)  # already the 20th in Oslo
        assert drawn("{{ at|day_heading }}", at=late) == "Today, 20 November"


@time_machine.travel(NOON, tick=False)
def test_a_day_without_an_hour_is_a_time_too() -> None:
    day = dt.date(2026, 12, 18)
    assert (
        drawn("{{ day|short_date }}", day=day)
        == '<time datetime="2026-12-18" title="18 Dec 2026">18 Dec</time>'
    )
    assert ">Tomorrow</time>" in drawn("{{ day|relative_time }}", day=dt.date(2026, 11, 21))


def test_a_missing_time_is_nothing() -> None:
    for name in ("relative_time", "clock_time", "short_date"):
        assert drawn(f"{{{{ at|{name} }}}}", at=None) == ""


def test_money_takes_its_currency() -> None:
    assert drawn('{{ amount|money:"EUR" }}', amount=Decimal(48000)) == "€48,000.00"
    assert drawn('{{ amount|money_short:"EUR" }}', amount=Decimal(48000)) == "€48,000"


@pytest.mark.parametrize("status", [*ui.EVENT_BADGES])
def test_every_state_of_an_event_has_an_icon_and_a_word(status: str) -> None:
    shown = drawn("{% event_badge status %}", status=status)
    assert "<svg" in shown
    assert ui.EVENT_BADGES[status][2] in shown


def test_a_pending_event_that_may_be_undone_is_settling() -> None:
    assert "Settling" in drawn('{% event_badge "pending" True %}')
    assert "Accepted" in drawn('{% event_badge "accepted" True %}')


def test_only_losses_are_red() -> None:
    red = {status for status, (state, _, _) in ui.EVENT_BADGES.items() if state == "bad"}
    assert red == {"rejected", "expired"}


def test_a_status_says_that_it_is_one_and_falls_back_to_grey() -> None:
    status = SimpleNamespace(name="<New>", category="open", colour="no-such", position=0)
    shown = drawn("{% status_pill status %}", status=status)
    assert "Status: " in shown
    assert "c-slate" in shown
    assert "&lt;New&gt;" in shown


@pytest.mark.parametrize(("value", "width"), [(46, "46.0%"), (-3, "0.0%"), (300, "100.0%")])
def test_a_bar_stays_within_its_ends(value: float, width: str) -> None:
    assert f'class="on" width="{width}"' in drawn("{% meter value %}", value=value)


def test_a_bar_of_nothing_is_empty() -> None:
    assert 'width="0.0%"' in drawn("{% meter 5 0 %}")


class SampleForm(forms.Form):
    email = forms.EmailField(help_text="Work address.")
    note = forms.CharField(required=False)
    active = forms.BooleanField(required=False)
    kind = forms.ChoiceField(choices=[("a", "A"), ("b", "B")], widget=forms.RadioSelect)


def test_a_refused_field_points_to_its_hint_and_its_error() -> None:
    shown = drawn("{% field form.email %}", form=SampleForm({"email": "no"}))
    assert 'aria-invalid="true"' in shown
    (pointed,) = re.findall(r'aria-describedby="([^"]+)"', shown)
    for target in pointed.split():
        assert f'id="{target}"' in shown
    assert len(pointed.split()) == 2


def test_a_field_says_that_it_is_optional_but_a_box_does_not() -> None:
    form = SampleForm()
    assert "optional" in drawn("{% field form.note %}", form=form)
    assert "optional" not in drawn("{% field form.active %}", form=form)
    assert "optional" not in drawn("{% field form.email %}", form=form)


def test_a_choice_by_radio_buttons_is_a_named_group() -> None:
    shown = drawn("{% field form.kind %}", form=SampleForm())
    assert "<fieldset" in shown
    assert re.search(r"<legend>\s*Kind", shown)
    assert shown.count('type="radio"') == 2


def test_a_second_click_turns_the_order_round_and_keeps_the_filters() -> None:
    request = visit("/leads/?status=new&cursor=abc&sort=name")
    shown = drawn('{% sort_link "Lead" "name" "name" %}', request)
    assert 'href="?status=new&amp;sort=-name"' in shown
    assert drawn('<th {{ "-name"|aria_sort:"name" }}>') == '<th aria-sort="descending">'
    assert drawn('<th{{ "-name"|aria_sort:"age" }}>') == "<th>"


def test_pages_keep_the_filters_and_say_how_much_is_shown() -> None:
    request = visit("/leads/?status=new")
    shown = drawn('{% include "components/pagination.html" with shown=50 total=212 next="n1" %}', request)
    assert "Showing 50 of 212" in shown
    assert 'href="?status=new&amp;cursor=n1"' in shown
    assert "Newer" not in shown


# ── Toasts and the frame ───────────────────────────────────────────────────────────────────────────────

WON = Toast(
    "LinkedIn will be told in 2 min.", "Won.", actions=(ToastAction("Undo", "/deals/1/reopen/", "z"),)
)


@pytest.fixture
def request_with_messages() -> HttpRequest:
    request = visit("/")
    request.session = {}  # type: ignore[assignment]
    request._messages = FallbackStorage(request)  # type: ignore[attr-defined]
    return request


def test_a_toast_offers_what_can_still_be_done_as_a_form(request_with_messages: HttpRequest) -> None:
    shown = render_toast(request_with_messages, WON)
    assert '<form method="post" action="/deals/1/reopen/">' in shown
    assert "csrfmiddlewaretoken" in shown
    assert 'data-toast="8"' in shown


def test_a_failure_stays_until_it_is_closed(request_with_messages: HttpRequest) -> None:
    assert 'data-toast="0"' in render_toast(request_with_messages, Toast("Not saved.", state="bad"))


def test_an_answer_to_htmx_adds_the_toast_beside_its_own_target(request_with_messages: HttpRequest) -> None:
    shown = render_toast(request_with_messages, WON, out_of_band=True)
    assert '<div id="toasts" hx-swap-oob="beforeend">' in shown


def test_a_toast_waits_for_the_next_page_and_its_words_stay_words(request_with_messages: HttpRequest) -> None:
    show_toast(request_with_messages, Toast("<b>Ann</b> is saved."))
    waiting = list(get_messages(request_with_messages))
    shown = render_to_string("frame/toasts.html", {"messages": waiting}, request_with_messages)
    assert "&lt;b&gt;Ann&lt;/b&gt; is saved." in shown
    assert shown.count("data-toast=") == 2  # it, and the template for trouble


FRAME = Frame(
    company="Halden Systems",
    user=Account("Sara Brandt", "SB", "sara@halden.test"),
    nav=tuple(NavItem(f"Page {n}", f"/{n}/", "home", current=n == 1) for n in range(7)),
)


def test_the_bottom_bar_has_five_and_the_rest_is_left_to_wider_screens() -> None:
    shown = render_to_string("frame/side.html", {"frame": FRAME})
    assert shown.count('<li class="extra">') == 2
    assert shown.count('aria-current="page"') == 1


def test_nobody_can_switch_who_belongs_to_one_company() -> None:
    assert "<form" not in render_to_string("frame/company.html", {"frame": FRAME})


def test_switching_company_is_a_post() -> None:
    choices = (CompanyChoice("1", "Halden", current=True), CompanyChoice("2", "Other"))
    frame = Frame("Halden", FRAME.user, (), companies=choices, switch_url="/switch/")
    shown = render_to_string("frame/company.html", {"frame": frame}, visit("/"))
    assert 'method="post" action="/switch/"' in shown
    assert 'value="2"' in shown
    assert "csrfmiddlewaretoken" in shown


@pytest.mark.parametrize("code", ["400", "403", "403_csrf", "404", "500", "503"])
def test_an_error_page_needs_nothing_and_offers_a_step(code: str) -> None:
    shown = render_to_string(f"errors/{code}.html")
    assert "<h1>" in shown
    assert 'class="btn primary"' in shown


def test_no_template_breaks_the_content_security_policy(settings: Any) -> None:
    for folder in settings.TEMPLATES[0]["DIRS"]:
        for path in folder.rglob("*.html"):
            # What Django reads is not what a browser gets: `{% include … with one=line %}` is no attribute.
            source = re.sub(r"\{%.*?%\}|\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
            assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:|hx-on|hx-vals=.js:", source), path
            assert not re.search(r"<script(?![^>]*(\bsrc=|type=.application/json))", source), path
