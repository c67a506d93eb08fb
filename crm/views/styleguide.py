"""The style guide: every part in every state, on made-up data. Routed in DEBUG only; reads no database."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from crm.frame import Account, Frame, NavItem, Search, Toast, ToastAction

HERE: Final = "/styleguide/"

ELEMENT: Final = (
    '{"conversion":"urn:lla:llaPartnerConversion:23948817","conversionHappenedAt":1795179731000,'
    '"conversionValue":{"currencyCode":"USD","amount":"62000.00"},'
    '"eventId":"lm_7kq2hv5xw3r4dzt6mjb2oyf5e7c3naqpslu4ig2k",'
    '"user":{"userIds":[{"idType":"LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID",'
    '"idValue":"3f1c9a52-77de-4b0e-9c41-5e2b8d60a7f4"},{"idType":"SHA256_EMAIL",'
    '"idValue":"857a7adee5e465f4d427afcb29921c4098928c5cdea80386cbc139108f816240"}]}}'
)
HASH: Final = "857a7adee5e465f4d427afcb29921c4098928c5cdea80386cbc139108f816240"


@dataclass(frozen=True)
class SampleStatus:
    """A lead status, as far as its pill goes."""

    name: str
    category: str
    colour: str
    position: int


@dataclass(frozen=True)
class SampleStage:
    """A stage, as far as its sign goes."""

    name: str
    kind: str
    probability: int


@dataclass(frozen=True)
class SampleEvent:
    """A conversion event, as far as its badge and sentence go."""

    status: str
    message: str
    is_settling: bool = False


@dataclass(frozen=True)
class SampleStep:
    """A step of a path."""

    name: str
    state: str = ""
    note: str = ""
    url: str = HERE
    is_lost: bool = False
    name_of_value: str = ""
    value: str = ""


@dataclass(frozen=True)
class SampleRow:
    """A row of the sample table."""

    name: str
    title: str
    organization: str
    domain: str
    status: SampleStatus
    ticks: int
    ready: str
    state: str
    touched_at: dt.datetime


class SampleForm(forms.Form):
    """Fields of every kind."""

    first_name = forms.CharField()
    email = forms.EmailField(label="E-mail")
    source = forms.ChoiceField(
        choices=[("form", "LinkedIn form"), ("web", "Web form")],
        help_text="Used in reports; cannot be empty.",
    )
    currency = forms.CharField(
        label="Company currency", disabled=True, initial="EUR", help_text="Fixed, because 23 deals use it."
    )
    reason = forms.CharField(
        label="Close reason",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "What decided it?"}),
    )
    treat = forms.ChoiceField(
        label="Matches",
        widget=forms.RadioSelect,
        choices=[("fill", "Fill blanks"), ("overwrite", "Overwrite")],
    )
    report = forms.BooleanField(label="Report these to LinkedIn", required=False)
    active = forms.BooleanField(required=False, widget=forms.CheckboxInput(attrs={"role": "switch"}))


STATUSES: Final = (
    SampleStatus("New", "open", "slate", 0),
    SampleStatus("Contacted", "open", "blue", 1),
    SampleStatus("Qualified", "qualified", "violet", 2),
    SampleStatus("Proposal", "open", "amber", 3),
    SampleStatus("Won", "won", "green", 4),
    SampleStatus("Lost", "lost", "slate", 5),
)
STAGES: Final = (
    SampleStage("Qualification", "open", 10),
    SampleStage("Discovery", "open", 20),
    SampleStage("Proposal", "open", 50),
    SampleStage("Negotiation", "open", 75),
    SampleStage("Closed Won", "won", 100),
    SampleStage("Closed Lost", "lost", 0),
)
EVENTS: Final = (
    SampleEvent("pending", "LinkedIn asked us to slow down (429). Next try at 14:21."),
    SampleEvent("pending", "Waits 1 min 48 s more, in case the move is undone.", is_settling=True),
    SampleEvent("sending", "On its way for 2 s."),
    SampleEvent("accepted", "Accepted at the second try, 7 min after the deal was won."),
    SampleEvent("held", "The rule uses the Insight Tag. Switch it to Conversions API; 3 events wait."),
    SampleEvent("skipped", "Consent was denied on 4 November."),
    SampleEvent("rejected", "LinkedIn refused this event: last name missing (422). Add it, then resend."),
    SampleEvent("expired", "90 days passed while the rule was held. It cannot be sent any more."),
    SampleEvent("cancelled", "Undone by Jonas Lindqvist 40 s after the move."),
)
PATH: Final = (
    SampleStep("Qualification", "done", "6 days"),
    SampleStep("Discovery", "done", "3 days"),
    SampleStep("Proposal", "now", "since 17 Nov"),
    SampleStep("Negotiation"),
    SampleStep("Closed Won"),
    SampleStep("Closed Lost", is_lost=True),
)
NEW_MENU: Final = (
    NavItem("Lead", HERE, "user", keys="n l"),
    NavItem("Deal", HERE, "banknotes", keys="n d"),
)
TABS: Final = (
    NavItem("Setup", HERE, "tell"),
    NavItem("Events", HERE, "tell", count=1217, current=True),
    NavItem("Health", HERE, "tell", badge="12 held"),
)


@login_not_required
def styleguide(request: HttpRequest) -> HttpResponse:
    """Every component in every state, for people and for the browser tests. Its buttons lead back here."""
    return render(request, "styleguide.html", sample_context())


def sample_context() -> dict[str, Any]:
    now = timezone.now()
    return {
        "frame": sample_frame(),
        "statuses": STATUSES,
        "stages": STAGES,
        "events": EVENTS,
        "path": PATH,
        "menu": NEW_MENU,
        "tabs": TABS,
        "form": SampleForm(data=SAMPLE_DATA),
        "rows": sample_rows(now),
        "element": ELEMENT,
        "notes": {HASH: "ngozi.okafor@lagoscoldchain.ng"},
        "toast": Toast("LinkedIn will be told in 2 min.", "Won.", actions=TOAST_ACTIONS, seconds=120),
        "trouble": Toast("The server cannot be reached. Nothing was changed; try again.", state="bad"),
        "amount": Decimal("48000.00"),
        "moments": [now - age for age in AGES],
        "now": now,
    }


SAMPLE_DATA: Final = {"first_name": "Annika", "email": "annika@fjordline", "source": "form", "treat": "fill",
                      "report": "on", "active": "on"}  # fmt: skip
TOAST_ACTIONS: Final = (ToastAction("Send now", HERE), ToastAction("Undo", HERE, keys="z"))
AGES: Final = (
    dt.timedelta(),
    dt.timedelta(minutes=12),
    dt.timedelta(hours=30),
    dt.timedelta(days=5),
    dt.timedelta(days=400),
    dt.timedelta(minutes=-2),
)


def sample_frame() -> Frame:
    return Frame(
        company="Halden Systems",
        user=Account("Sara Brandt", "SB", "sara.brandt@halden.example"),
        nav=(
            NavItem("Home", HERE, "home", keys="g h"),
            NavItem("Leads", HERE, "users", count=132, keys="g l"),
            NavItem("Deals", HERE, "view-columns", count=22, keys="g d"),
            NavItem(
                "LinkedIn", HERE, "tell", badge="12 held", state="warn", state_label="12 events are held"
            ),
        ),
        new=NEW_MENU,
        pinned=(NavItem("Hot, untouched", HERE, "star", count=9),),
        settings=NavItem("Settings", HERE, "cog-6-tooth"),
        search=Search(HERE, "Search leads"),
    )


def sample_rows(now: dt.datetime) -> tuple[SampleRow, ...]:
    return (
        SampleRow(
            "Annika Sørensen", "Head of Logistics", "Fjordline Freight", "fjordline-freight.no",
            STATUSES[2], 4, "Ready", "good", now - dt.timedelta(minutes=12),
        ),
        SampleRow(
            "Bartholomew Featherstonehaugh-Ravensworth",
            "Senior Director, Global Supply Chain Transformation & Continuous Improvement",
            "Ravensworth & Daughters Cold Storage Holdings (Europe) B.V.", "ravensworth-coldstorage.eu",
            STATUSES[3], 3, "E-mail only", "warn", now - dt.timedelta(hours=30),
        ),
        SampleRow("Sam Patel", "", "", "", STATUSES[0], 1, "No e-mail", "bad", now - dt.timedelta(days=4)),
    )  # fmt: skip
