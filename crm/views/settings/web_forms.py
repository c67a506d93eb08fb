"""Web forms: the doors for web sites, what to embed there, how they look, and what became of what was sent."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.access import Ability
from crm.actions import capture
from crm.actions import web_forms as actions
from crm.actions.web_forms import ASKABLE, FormChanges
from crm.capture_words import WORDS
from crm.errors import Conflict
from crm.forms import SentenceForm, show_refusal
from crm.models import ApiKey, ConsentText, LeadType, Submission, WebForm, WebsiteTest
from crm.views.page import PageRequest, actor_of, done, status_of
from crm.views.settings.page import render_settings, settings_page

URL: Final = "settings_forms"
ONE: Final = "settings_form"
SHOWN: Final = 20
# Where the key is not known here, because it was shown once when somebody made it.
UNKNOWN_KEY: Final = "YOUR-KEY"

# What the outcome's reason is called.
REASONS: Final = {
    "honeypot": gettext_lazy("the hidden field was filled in"),
    "too_fast": gettext_lazy("sent within two seconds"),
    "origin": gettext_lazy("from a site that is not allowed"),
    "required": gettext_lazy("something was missing"),
    "unknown_field": gettext_lazy("a field that is not known"),
    "max_length": gettext_lazy("something was too long"),
    "invalid": gettext_lazy("something could not be read"),
    "idle_event": gettext_lazy("an event of somebody looking round"),
    "nobody_known": gettext_lazy("a hash of an address that nobody here has"),
    "does_not_exist": gettext_lazy("a type that is not known"),
}


class NewForm(SentenceForm):
    """A new form needs a name only."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=60,
        widget=forms.TextInput(attrs={"placeholder": gettext_lazy("Contact page")}),
    )


class LinesField(forms.CharField):
    """Several values, one in each line."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]


class SettingsForm(SentenceForm):
    """Everything about a form."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=60)
    source = forms.CharField(
        label=gettext_lazy("Source of its leads"),
        max_length=80,
        required=False,
        help_text=gettext_lazy("The company's usual source if empty."),
    )
    lead_type = forms.ModelChoiceField(
        LeadType.objects.none(),
        label=gettext_lazy("Type of its leads"),
        required=False,
        empty_label=gettext_lazy("None"),
    )
    allowed_origins = LinesField(
        label=gettext_lazy("Sites that may post"),
        required=False,
        help_text=gettext_lazy(
            "One in each line, such as https://www.example.com. Without any, servers may post and no site."
        ),
    )
    redirects = LinesField(
        label=gettext_lazy("Pages to lead on to"),
        required=False,
        help_text=gettext_lazy(
            "https addresses, one in each line. The first is the usual one; a site may ask for another."
        ),
    )
    conversion_id = forms.CharField(
        label=gettext_lazy("Conversion for the Insight Tag"),
        max_length=20,
        required=False,
        help_text=gettext_lazy(
            "Its number. The script then tells the tag, with the event id that LeadMachine sends as well."
        ),
    )
    waits_for_consent = forms.BooleanField(
        label=gettext_lazy("Keep nothing in the browser before the visitor agrees"),
        required=False,
        help_text=gettext_lazy("Your consent banner then calls leadmachine.consent(true)."),
    )
    asks_consent = forms.BooleanField(label=gettext_lazy("Take no lead without consent"), required=False)
    consent_text = forms.CharField(
        label=gettext_lazy("Consent text"),
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("Another wording becomes another version; each lead keeps the one they saw."),
    )
    fields_asked = forms.MultipleChoiceField(
        label=gettext_lazy("What it asks for"),
        required=False,
        choices=[
            (name, WORDS["en"]["job" if name == "title" else name]) for name in ASKABLE if name != "email"
        ],
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("And always the e-mail address."),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        required=False,
        choices=[
            ("", gettext_lazy("The visitor's")),
            ("en", "English"),
            ("de", "Deutsch"),
            ("fr", "Français"),
        ],
    )
    title = forms.CharField(label=gettext_lazy("Heading"), max_length=120, required=False)
    logo_text = forms.CharField(label=gettext_lazy("Logo text"), max_length=60, required=False)
    accent = forms.CharField(
        label=gettext_lazy("Colour"), max_length=7, widget=forms.TextInput(attrs={"type": "color"})
    )

    def __init__(self, data: QueryDict | None = None, *, form: WebForm, consent_text: str = "") -> None:
        names = [name for name in self.base_fields if hasattr(form, name)]
        initial = {name: getattr(form, name) for name in names}
        initial |= {"consent_text": consent_text, "fields_asked": form.fields}
        super().__init__(data, initial=initial)
        self.fields["lead_type"].queryset = LeadType.objects.all()  # type: ignore[attr-defined]

    def changes(self) -> FormChanges:
        filled = dict(self.cleaned_data)
        del filled["consent_text"]
        filled["fields"] = filled.pop("fields_asked")
        return FormChanges(**filled)  # type: ignore[no-any-return, typeddict-item]


class TrySiteForm(SentenceForm):
    """A page of the site."""

    url = forms.CharField(
        label=gettext_lazy("A page of your site with the form"),
        max_length=500,
        widget=forms.TextInput(attrs={"type": "url", "placeholder": "https://www.example.com/contact"}),
    )


@settings_page(Ability.MANAGE)
def web_forms(request: PageRequest) -> HttpResponse:
    """Every form, and the row that makes one."""
    return _list(request, NewForm())


@settings_page(Ability.MANAGE, "POST")
def web_form_add(request: PageRequest) -> HttpResponse:
    """Make a form; or say what goes with a capture key that was made elsewhere."""
    if key := request.POST.get("key", ""):
        found = next((one for one in _bare_keys() if str(one.pk) == key), None)
        if found is not None:
            form = actions.form_for(found)
            return done(request, _("The key has settings now."), reverse(ONE, args=[form.pk]))
    new = NewForm(request.POST)
    if not new.is_valid():
        return _list(request, new, status=422)
    form = actions.make_form(request.principal.company, new.cleaned_data["name"], actor_of(request))
    return done(request, _("The form is made. Say which site it stands on."), reverse(ONE, args=[form.pk]))


@settings_page(Ability.MANAGE, "GET", "HEAD", "POST")
def web_form(request: PageRequest, pk: UUID) -> HttpResponse:
    """One form; a POST changes its settings."""
    form = _form(pk)
    text = capture.consent_text_of(form)
    filled = SettingsForm(
        request.POST if request.method == "POST" else None, form=form, consent_text=text.text if text else ""
    )
    status = 200
    if request.method == "POST":
        status = 422
        if filled.is_valid():
            try:
                actions.update_form(
                    form,
                    filled.changes(),
                    actor_of(request),
                    consent_text=filled.cleaned_data["consent_text"],
                )
            except (ValidationError, Conflict) as refusal:
                show_refusal(filled, refusal)
                status = status_of(refusal)
            else:
                return done(request, _("Saved."), reverse(ONE, args=[pk]))
    return _page(request, _form(pk), filled, TrySiteForm(), status=status)


@settings_page(Ability.MANAGE, "POST")
def web_form_end(request: PageRequest, pk: UUID) -> HttpResponse:
    """Take nothing in with it any more."""
    form = _form(pk)
    actions.end_form(form, actor_of(request))
    return done(request, _("%(form)s has ended. Its leads stay.") % {"form": form}, reverse(URL))


@settings_page(Ability.MANAGE, "POST")
def web_form_try(request: PageRequest, pk: UUID) -> HttpResponse:
    """A link to try the site with."""
    form = _form(pk)
    asked = TrySiteForm(request.POST)
    if asked.is_valid():
        try:
            actions.try_site(form, asked.cleaned_data["url"])
        except ValidationError as refusal:
            show_refusal(asked, refusal)
        else:
            return done(
                request, _("Open the link below and send the form."), reverse(ONE, args=[pk]) + "#try"
            )
    text = capture.consent_text_of(form)
    filled = SettingsForm(form=form, consent_text=text.text if text else "")
    return _page(request, form, filled, asked, status=422)


def _form(pk: UUID) -> WebForm:
    return get_object_or_404(WebForm.objects.select_related("company", "key", "lead_type"), pk=pk)


def _bare_keys() -> list[ApiKey]:
    """Live capture keys without a form."""
    keys = ApiKey.objects.filter(revoked_at=None, web_form=None).select_related("company")
    return [key for key in keys if "capture" in key.scopes]


def _list(request: PageRequest, new: NewForm, *, status: int = 200) -> HttpResponse:
    found = WebForm.objects.filter(key__revoked_at=None).select_related("key", "lead_type")
    context = {"forms": list(found), "bare": _bare_keys(), "new": new}
    return render_settings(request, "crm/settings/web_forms.html", context, status=status)


def _page(
    request: PageRequest, form: WebForm, filled: SettingsForm, asked: TrySiteForm, *, status: int = 200
) -> HttpResponse:
    secret = actions.secret_of(form)
    base = f"{settings.PUBLIC_URL}/capture/{secret or UNKNOWN_KEY}"
    submissions = list(Submission.objects.filter(key=form.key)[:SHOWN])
    for one in submissions:
        one.why = REASONS.get(one.reason, one.reason)  # type: ignore[attr-defined]
    context = {
        "web_form": form,
        "form": filled,
        "asked": asked,
        "is_key_known": bool(secret),
        "page_url": f"{base}/form/",
        "post_url": f"{base}/",
        "script_code": f'<script src="{base}.js" async></script>',
        "form_code": _form_code(base),
        "frame_code": _frame_code(base, form.name),
        "texts": list(ConsentText.objects.filter(form=form)),
        "submissions": submissions,
        "trial": _trial(form),
    }
    return render_settings(request, "crm/settings/web_form.html", context, status=status)


def _form_code(base: str) -> str:
    return (
        f'<form action="{base}/" method="post" data-leadmachine data-thanks="Thank you.">\n'
        '  <input name="first_name" required>\n'
        '  <input name="last_name" required>\n'
        '  <input name="email" type="email" required>\n'
        '  <textarea name="message"></textarea>\n'
        '  <input name="_gotcha" hidden tabindex="-1" autocomplete="off">\n'
        "  <button>Send</button>\n"
        "</form>"
    )


def _frame_code(base: str, title: str) -> str:
    return f'<iframe src="{base}/embed/" title="{escape(title)}" width="100%" height="620"></iframe>'


def _trial(form: WebForm) -> dict[str, Any] | None:
    """The last trial of a site: waiting, arrived, or come without its click id."""
    trial = WebsiteTest.objects.filter(form=form).first()
    if trial is None:
        return None
    since = Submission.objects.filter(key=form.key, at__gt=trial.created_at).exclude(reason="origin")
    is_lost = trial.arrived_at is None and since.exists()
    is_over = trial.arrived_at is None and trial.created_at < timezone.now() - capture.TRIAL_LASTS
    return {"row": trial, "link": actions.link_of(trial), "is_lost": is_lost, "is_over": is_over}
