"""Web forms: fields as people fill them in, translated into what the actions take. The rules are the actions'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms.utils import ErrorDict, pretty_name
from django.http import QueryDict
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from crm import cleaning, customvalues
from crm.access import Principal
from crm.actions.deals import DealChanges
from crm.actions.leads import Attribution, EmailEntry, LeadChanges, PhoneEntry, WebsiteEntry
from crm.actor import Channel
from crm.amounts import AmountField
from crm.countries import countries_by_name
from crm.currencies import CURRENCIES
from crm.errors import Conflict
from crm.models import (
    Consent,
    Deal,
    Lead,
    LeadStatus,
    LeadTag,
    LeadType,
    Membership,
    Stage,
    StageKind,
    User,
    custom_fields_of,
)
from crm.models.activity import ActivityKind
from crm.rows import FormRow, RowsField
from crm.texts import gettext_lazy, is_english, pgettext_lazy

WEB: Final[Channel] = "web"
# Stored as they are here, so that reports can count them; shown in the reader's language.
LOST_REASONS: Final = (
    gettext_noop("Price"),
    gettext_noop("Chose somebody else"),
    gettext_noop("No budget this year"),
    gettext_noop("No answer"),
    gettext_noop("Something else"),
)
MOST_CHOICES: Final = 200
NOTE_LENGTH: Final = 20_000

# The labels of fields that are called as their name says; see `SentenceForm`.
FIELD_LABELS: Final = (
    gettext_noop("First name"),
    gettext_noop("Last name"),
    gettext_noop("Organization"),
    gettext_noop("Status"),
    gettext_noop("Source"),
    gettext_noop("Owner"),
    gettext_noop("Tags"),
    gettext_noop("Consent"),
    gettext_noop("Lead"),
    gettext_noop("Amount"),
    gettext_noop("Currency"),
    gettext_noop("Stage"),
    gettext_noop("Next step"),
    gettext_noop("Reason"),
    gettext_noop("Kind"),
    gettext_noop("Password"),
    gettext_noop("Name"),
    gettext_noop("Value"),
    gettext_noop("Event"),
    gettext_noop("Rule"),
    gettext_noop("Since"),
    gettext_noop("Until"),
    gettext_noop("Domain"),
    gettext_noop("Priority"),
    gettext_noop("Notes"),
    gettext_noop("Language"),
    gettext_noop("Time zone"),
    gettext_noop("Fallback owner"),
    gettext_noop("Role"),
    gettext_noop("Type"),
    gettext_noop("Country"),
    gettext_noop("Description"),
    gettext_noop("Detail"),
)

# What an action calls a value, and which field of a form shows it.
_SHOWN_AT: Final = {"emails": "email", "phones": "phone", "websites": "website", "name": "company_name"}


def custom_form_field(field: customvalues.Field) -> forms.Field:
    """A custom field in a form. The action checks its value; the form only says what is there to choose."""
    options: dict[str, Any] = {"label": field.name, "required": False}
    listed = [(option, option) for option in field.options]
    match field.kind:
        case customvalues.CHOICE:
            return forms.ChoiceField(choices=[("", _("None")), *listed], **options)
        case customvalues.CHOICES:
            return forms.MultipleChoiceField(choices=listed, widget=forms.CheckboxSelectMultiple, **options)
        case customvalues.YES_NO:
            return forms.ChoiceField(
                choices=[("", _("Not said")), ("yes", _("Yes")), ("no", _("No"))], **options
            )
        case customvalues.LONG_TEXT:
            return forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), **options)
    attributes = {
        customvalues.DATE: {"type": "date"},
        customvalues.NUMBER: {"inputmode": "decimal"},
        customvalues.URL: {"type": "url", "placeholder": "https://"},
    }.get(field.kind, {})
    kind = AmountField if field.kind == customvalues.NUMBER else forms.CharField
    return kind(widget=forms.TextInput(attrs=attributes), **options)


class CustomisedForm(forms.Form):
    """A form with the company's custom fields below its own; `custom_fields` draws them."""

    def offer_custom(self, entity: str, values: Mapping[str, Any]) -> None:
        """Add the fields of the entity, filled with the record's values."""
        self._custom = {f"custom_{field.key}": field.values for field in custom_fields_of(entity)}
        for name, field in self._custom.items():
            self.fields[name] = custom_form_field(customvalues.with_kept(field, values.get(field.key)))
            self.initial[name] = _as_typed(values.get(field.key))

    def custom_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self._custom if name in self.fields]

    def take_custom(self, changes: dict[str, Any]) -> dict[str, Any]:
        """The changes with the custom fields by key under `custom`, where there are any."""
        own = {name: value for name, value in changes.items() if name not in self._custom}
        custom = {self._custom[name].key: value for name, value in changes.items() if name in self._custom}
        return {**own, "custom": custom} if custom else own


def _as_typed(value: object) -> object:
    """A stored value as its form field shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value


def show_refusal(form: forms.Form, refusal: ValidationError | Conflict) -> None:
    """Put what an action said beside the fields it is about; what has no field goes on top."""
    if isinstance(refusal, Conflict):
        form.add_error(None, refusal.message)
        return
    by_field: Mapping[str, list[str]] = (
        refusal.message_dict if hasattr(refusal, "error_dict") else {"": refusal.messages}
    )
    for name, sentences in by_field.items():
        field = name.replace("custom.", "custom_", 1)
        field = field if field in form.fields else _SHOWN_AT.get(name, name)
        for sentence in sentences:
            form.add_error(field if field in form.fields else None, sentence)


class MemberField(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic in the stubs alone
    """An active member of the company, or nobody."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(User.objects.none(), required=False, empty_label=_("Nobody"), **kwargs)


def members() -> QuerySet[User]:
    """The people a record can belong to, by name."""
    active = Membership.objects.active().values("user_id")
    return User.objects.filter(pk__in=active).order_by("first_name", "last_name", "email")


class SentenceForm(forms.Form):
    """A form that says what is missing by its name."""

    def __init__(self, data: QueryDict | None = None, *, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial)
        for name, field in self.fields.items():
            if field.label is None:
                field.label = _(pretty_name(name))
            field.error_messages = {"required": _missing(field), **_own_messages(field)}


def _missing(field: forms.Field) -> str:
    words = _inside_a_sentence(str(field.label))
    if isinstance(field, forms.ChoiceField):
        return _("Choose the {words}.").format(words=words)
    return _("Enter the {words}.").format(words=words)


def _inside_a_sentence(label: str) -> str:
    if not is_english() or label[1:2].isupper() or label.startswith("LinkedIn"):
        return label
    return label[0].lower() + label[1:]


def _own_messages(field: forms.Field) -> dict[str, Any]:
    """The messages of a field, but for Django's "This field is required."."""
    django = forms.Field.default_error_messages["required"]
    return {code: text for code, text in field.error_messages.items() if text != django}


def _offer_owners(form: SentenceForm, principal: Principal) -> None:
    """Those to whom this person may give a record. Who cannot give it away must keep it."""
    field: Any = form.fields["owner"]
    if not principal.may_assign(None):
        field.required, field.empty_label = True, None
    field.queryset = principal.assignees()


class LeadForm(CustomisedForm, SentenceForm):
    """A lead as a person types it in; the web asks for more than other channels do."""

    first_name = forms.CharField(max_length=80)
    last_name = forms.CharField(max_length=80)
    email = RowsField("e-mail", label=gettext_lazy("E-mail"), kind="email", has_first=True)
    phone = RowsField("phone", label=gettext_lazy("Phone"), kind="tel", required=False)
    website = RowsField("website", label=gettext_lazy("Website"), required=False)
    title = forms.CharField(label=pgettext_lazy("of a person", "Title"), max_length=120, required=False)
    organization = forms.CharField(
        max_length=160,
        required=False,
        help_text=gettext_lazy("Found by its name; a new name makes a new organization."),
    )
    country_code = forms.ChoiceField(
        label=gettext_lazy("Country"),
        required=False,
        choices=lambda: [("", _("Not known")), *countries_by_name()],
    )
    status = forms.ModelChoiceField(LeadStatus.objects.none(), empty_label=None)
    source = forms.CharField(
        max_length=80,
        help_text=gettext_lazy("How they found you: Web form, Referral, a fair."),
        widget=forms.TextInput(attrs={"list": "sources"}),
    )
    lead_type = forms.ModelChoiceField(
        LeadType.objects.none(), label=gettext_lazy("Type"), required=False, empty_label=gettext_lazy("None")
    )
    owner = MemberField()
    tags = forms.CharField(
        max_length=600, required=False, help_text=gettext_lazy("Apart by commas: Hot Lead, VIP.")
    )
    consent = forms.ChoiceField(
        choices=Consent.choices,
        help_text=gettext_lazy("Whether they agreed that their data is used to measure ads."),
    )
    li_fat_id = forms.CharField(
        label=gettext_lazy("LinkedIn click id"),
        max_length=300,
        required=False,
        help_text=gettext_lazy("The value of li_fat_id in the address of the page they came by."),
    )

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        principal: Principal,
        lead: Lead | None = None,
        only: Sequence[str] = (),
    ) -> None:
        """`only` names the fields that are asked for; all of them if none is named."""
        self.lead = lead
        super().__init__(data, initial=_of_lead(lead) if lead else _of_new_lead(principal))
        self.fields["status"].queryset = LeadStatus.objects.all()  # type: ignore[attr-defined]
        self.fields["lead_type"].queryset = LeadType.objects.all()  # type: ignore[attr-defined]
        _offer_owners(self, principal)
        self.offer_custom("lead", lead.custom if lead else {})
        # Another door may have let somebody in who has no address; that is no reason not to save their title.
        self.fields["email"].required = lead is None or bool(lead.email)
        for name in set(self.fields) - set(only or self.fields):
            del self.fields[name]

    def unjudged(self) -> LeadForm:
        """As filled in, before it is said what is wrong: somebody is still at it."""
        self._errors = ErrorDict()
        return self

    def clean_email(self) -> list[FormRow]:
        """Said together with what else is wrong, not after it."""
        rows: list[FormRow] = self.cleaned_data["email"]
        return [FormRow(cleaning.email(row.value), row.label) for row in rows]

    def changes(self) -> LeadChanges:
        """What the action is asked for: all of a new lead, of a known one only what was changed here."""
        wanted = (
            self.cleaned_data if self.lead is None else {n: self.cleaned_data[n] for n in self.changed_data}
        )
        changes = self.take_custom(wanted)
        for name, (key, entry) in _ROWS.items():
            if name in changes:
                changes[key] = [entry(row.value, row.label) for row in changes.pop(name)]
        if "tags" in changes:
            changes["tags"] = changes["tags"].split(",")
        if "li_fat_id" in changes:
            changes["attribution"] = Attribution(li_fat_id=changes.pop("li_fat_id").strip())
        if "consent" in changes:
            changes["consent_source"] = WEB
        if self.lead is None and changes.get("consent") == Consent.UNKNOWN:
            del changes["consent"], changes["consent_source"]  # nothing was said, so nothing is written down
        return cast("LeadChanges", changes)  # the fields bear the action's names


# The fields of rows: what the action calls them, and what it takes.
_ROWS: Final = {
    "email": ("emails", EmailEntry),
    "phone": ("phones", PhoneEntry),
    "website": ("websites", WebsiteEntry),
}


def _of_lead(lead: Lead) -> dict[str, Any]:
    names = LeadTag.objects.filter(lead=lead).order_by("tag__name").values_list("tag__name", flat=True)
    return {
        "first_name": lead.first_name,
        "last_name": lead.last_name,
        "email": [FormRow(email.address, email.label) for email in lead.emails.all()],
        "phone": [FormRow(phone.number, phone.label) for phone in lead.phones.all()],
        "website": [FormRow(website.url, website.label) for website in lead.websites.all()],
        "title": lead.title,
        "organization": str(lead.organization or ""),
        "country_code": lead.country_code,
        "status": lead.status,
        "source": lead.source,
        "lead_type": lead.lead_type,
        "owner": lead.owner,
        "tags": ", ".join(names),
        "consent": lead.consent,
        "li_fat_id": lead.li_fat_id,
    }


def _of_new_lead(principal: Principal) -> dict[str, Any]:
    return {
        "status": principal.company.default_status_id,
        "source": principal.company.default_source,
        "owner": principal.user,
        "consent": Consent.UNKNOWN,
    }


class StageField(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic in the stubs alone
    """A stage, under the name of its pipeline."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Stage.objects.none(), empty_label=None, **kwargs)

    def label_from_instance(self, obj: Stage) -> str:
        return f"{obj.pipeline}: {obj.name}"


class DealForm(CustomisedForm, SentenceForm):
    """A deal as a person types it in."""

    title = forms.CharField(label=pgettext_lazy("of a deal", "Title"), max_length=160)
    lead = forms.ModelChoiceField(Lead.objects.none(), required=False, empty_label=gettext_lazy("Nobody yet"))
    amount = AmountField(
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "placeholder": gettext_lazy("1234.50")}),
    )
    currency = forms.ChoiceField(choices=[(code, code) for code in sorted(CURRENCIES)])
    stage = StageField()
    owner = MemberField()
    expected_close = forms.DateField(
        label=gettext_lazy("Expected close"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    next_step = forms.CharField(
        max_length=160,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": gettext_lazy("Send the quote")}),
    )
    next_step_on = forms.DateField(
        label=gettext_lazy("Next step on"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        principal: Principal,
        deal: Deal | None = None,
        lead: Lead | None = None,
    ) -> None:
        self.deal = deal
        super().__init__(data, initial=_of_deal(deal) if deal else _of_new_deal(principal, lead))
        _offer_owners(self, principal)
        self._offer_leads(principal, deal.lead if deal else lead)
        self.offer_custom("deal", deal.custom if deal else {})
        if deal:
            del self.fields["stage"]
        else:
            self.fields["stage"].queryset = _open_stages()  # type: ignore[attr-defined]

    def _offer_leads(self, principal: Principal, chosen: Lead | None) -> None:
        """Every lead one may see is accepted, the newest are offered: a list of thousands helps nobody."""
        field: Any = self.fields["lead"]
        field.queryset = principal.leads()
        newest = list(principal.leads().prefetch_related("emails").order_by("-last_touch_at")[:MOST_CHOICES])
        if chosen and chosen not in newest:
            newest.insert(0, chosen)
        field.choices = [("", field.empty_label), *((lead.pk, _named(lead)) for lead in newest)]
        if len(newest) >= MOST_CHOICES:
            field.help_text = _(
                "The {most_choices} touched last. For anybody else, start from the page of the lead."
            ).format(most_choices=MOST_CHOICES)

    def changes(self) -> DealChanges:
        """What the action is asked for: all of a new deal, of a known one only what was changed here."""
        wanted = (
            self.cleaned_data if self.deal is None else {n: self.cleaned_data[n] for n in self.changed_data}
        )
        changes = self.take_custom(wanted)
        if "amount" in changes:
            changes["amount"] = changes["amount"].strip() or None
        return cast("DealChanges", changes)  # the fields bear the action's names


def _named(lead: Lead) -> str:
    return (
        f"{lead.full_name} ({lead.email})" if lead.email and lead.email != lead.full_name else lead.full_name
    )


def _open_stages() -> QuerySet[Stage]:
    stages = Stage.objects.filter(kind=StageKind.OPEN).select_related("pipeline")
    return stages.order_by("pipeline__position", "position")


def _of_deal(deal: Deal) -> dict[str, Any]:
    return {
        "title": deal.title,
        "lead": deal.lead_id,
        "amount": f"{deal.amount.normalize():f}" if deal.amount is not None else "",
        "currency": deal.currency or deal.company.currency,
        "owner": deal.owner,
        "expected_close": deal.expected_close,
        "next_step": deal.next_step,
        "next_step_on": deal.next_step_on,
    }


def _of_new_deal(principal: Principal, lead: Lead | None) -> dict[str, Any]:
    firm = str(lead.organization or lead.full_name) if lead else ""
    return {
        "title": f"{firm}: " if firm else "",
        "lead": lead.pk if lead else None,
        "currency": principal.company.currency,
        "owner": principal.user,
    }


class LoseForm(forms.Form):
    """Why a deal was lost. The reason is one of a few, so that reports can count them; the words are free."""

    reason = forms.ChoiceField(
        choices=[(reason, gettext_lazy(reason)) for reason in LOST_REASONS],
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Say why the deal was lost.")},
    )
    detail = forms.CharField(
        label=gettext_lazy("What decided it?"),
        max_length=240,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def words(self) -> str:
        """Both as the one text that is kept."""
        reason, detail = self.cleaned_data["reason"], " ".join(self.cleaned_data["detail"].split())
        return f"{reason}: {detail}" if detail else reason


class NoteForm(forms.Form):
    """What a person writes into a timeline."""

    text = forms.CharField(
        label=gettext_lazy("Write a note"),
        max_length=NOTE_LENGTH,
        error_messages={"required": gettext_lazy("Write something first.")},
        widget=forms.Textarea(
            attrs={
                "rows": 2,
                "placeholder": gettext_lazy("Write a note, or log a call, a meeting, an e-mail…"),
            }
        ),
    )
    kind = forms.ChoiceField(choices=ActivityKind.choices[:4], required=False)
    at = forms.DateTimeField(
        label=gettext_lazy("When"),
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        error_messages={"invalid": gettext_lazy("Enter a day and a time, such as 2026-11-20T14:05.")},
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"}),
    )


class PersonForm(forms.Form):
    """A further person on a deal."""

    lead = forms.ModelChoiceField(
        Lead.objects.none(),
        label=gettext_lazy("Person"),
        error_messages={"required": gettext_lazy("Choose a person.")},
    )
    role = forms.CharField(
        max_length=60,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": gettext_lazy("Decides, uses it, pays…")}),
        label=gettext_lazy("Their part in the decision"),
    )

    def __init__(
        self, data: QueryDict | None = None, *, principal: Principal, offered: Sequence[Lead]
    ) -> None:
        super().__init__(data)
        field: Any = self.fields["lead"]
        field.queryset = principal.leads()
        field.choices = [("", _("Choose a person")), *((lead.pk, _named(lead)) for lead in offered)]


class SetupForm(SentenceForm):
    """The first company and its owner."""

    code = forms.CharField(
        label=gettext_lazy("Set-up code"),
        max_length=200,
        help_text=gettext_lazy("Printed by the server; it shows that this install is yours."),
    )
    company_name = forms.CharField(label=gettext_lazy("Company"), max_length=120)
    currency = forms.ChoiceField(choices=[(code, code) for code in sorted(CURRENCIES)], initial="EUR")
    first_name = forms.CharField(max_length=80)
    last_name = forms.CharField(max_length=80)
    email = forms.CharField(
        label=gettext_lazy("E-mail"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )
    password = forms.CharField(
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy("At least 12 characters."),
    )

    def __init__(self, data: QueryDict | None = None, *, asks_code: bool = False) -> None:
        super().__init__(data)
        if not asks_code:
            del self.fields["code"]

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        if not settings.SETUP_CODE:
            raise ValidationError(_("The server was started without SETUP_CODE. Set it, and start it again."))
        if not constant_time_compare(code.strip(), settings.SETUP_CODE):
            raise ValidationError(_("This is not the code that the server was started with."))
        return code
