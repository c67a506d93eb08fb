"""Forms of the LinkedIn pages: fields as people fill them in, translated into what `capi.operations` takes."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.utils.translation import gettext as _

from capi.models import ConnectionKind, CrmEvent, Holder, Repeat, Rule, ValuePolicy
from capi.operations import RuleChanges
from crm.amounts import AmountField
from crm.countries import COUNTRIES
from crm.currencies import CURRENCIES
from crm.models import LeadType, Pipeline
from crm.texts import gettext_lazy

# The name of the conversion type that LinkedIn suggests for each event, as a name to start from.
SUGGESTED: Final[dict[str, str]] = {
    CrmEvent.LEAD_CREATED: "Lead",
    CrmEvent.LEAD_QUALIFIED: "Qualified lead",
    CrmEvent.DEAL_CREATED: "Sales qualified lead",
    CrmEvent.DEAL_WON: "Purchase",
    CrmEvent.DEAL_LOST: "Closed lost",
}
_REPEATED = (CrmEvent.DEAL_WON, CrmEvent.DEAL_LOST)


class TokenForm(forms.Form):
    """The access token. What was typed is never sent back, not even with an error."""

    token = forms.CharField(
        label=gettext_lazy("Access token"),
        max_length=8000,
        help_text=gettext_lazy(
            "LinkedIn shows it once. It is stored encrypted, and no page ever shows it again."
        ),
        widget=forms.PasswordInput(
            render_value=False, attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
        ),
    )


class SandboxTokenForm(TokenForm):
    """The same for a company that speaks to the built-in sandbox: for whom is this token?"""

    kind = forms.ChoiceField(
        label=gettext_lazy("It is a token of"),
        choices=[
            (ConnectionKind.SANDBOX, gettext_lazy("the built-in sandbox")),
            (ConnectionKind.DIRECT, gettext_lazy("a LinkedIn ad account")),
        ],
        initial=ConnectionKind.SANDBOX,
        widget=forms.RadioSelect,
    )


class RuleForm(forms.Form):
    """What a rule needs: the row below the table of rules."""

    event = forms.ChoiceField(label=gettext_lazy("When"), choices=CrmEvent.choices)
    conversion_id = forms.CharField(
        label=gettext_lazy("Conversion"),
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=120,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    value = forms.ChoiceField(label=gettext_lazy("Value"), choices=ValuePolicy.choices)
    fixed_amount = AmountField(
        label=gettext_lazy("Amount"),
        max_length=30,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )
    fixed_currency = forms.ChoiceField(
        label=gettext_lazy("Currency"),
        required=False,
        choices=[("", gettext_lazy("Choose…")), *((code, code) for code in CURRENCIES)],
    )
    repeat = forms.ChoiceField(
        label=gettext_lazy("Tell LinkedIn"), choices=Repeat.choices, initial=Repeat.ONCE
    )

    def changes(self) -> RuleChanges:
        """What the operation is asked for."""
        filled = self.cleaned_data
        changes = RuleChanges(
            event=filled["event"],
            conversion_id=filled["conversion_id"],
            name=filled["name"] or SUGGESTED[filled["event"]],
            value=filled["value"],
            repeat=filled["repeat"] or Repeat.ONCE,
        )
        if filled["value"] == ValuePolicy.FIXED:
            changes["fixed_amount"] = filled["fixed_amount"]
            changes["fixed_currency"] = filled["fixed_currency"]
        return changes


class RuleEditForm(RuleForm):
    """Everything that can be said of a rule, with the conditions that narrow it."""

    is_active = forms.BooleanField(
        label=gettext_lazy("Active"),
        required=False,
        help_text=gettext_lazy("Off: nothing is recorded for it."),
    )
    sources = forms.CharField(
        label=gettext_lazy("Only these sources"),
        max_length=600,
        required=False,
        help_text=gettext_lazy("Apart by commas. Empty: any source."),
    )
    types = forms.MultipleChoiceField(
        label=gettext_lazy("Only these types"), required=False, widget=forms.CheckboxSelectMultiple
    )
    tags = forms.CharField(
        label=gettext_lazy("Only with one of these tags"),
        max_length=600,
        required=False,
        help_text=gettext_lazy("Apart by commas."),
    )
    countries = forms.CharField(
        label=gettext_lazy("Only these countries"),
        max_length=600,
        required=False,
        help_text=gettext_lazy("Codes apart by commas: DE, AT, CH."),
    )
    pipelines = forms.MultipleChoiceField(
        label=gettext_lazy("Only these pipelines"), required=False, widget=forms.CheckboxSelectMultiple
    )
    min_amount = AmountField(
        label=gettext_lazy("Only from this deal amount"),
        max_length=30,
        required=False,
        help_text=gettext_lazy("A plain number such as 1000.00, in the deal's own currency."),
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )

    def __init__(self, *args: Any, rule: Rule, **kwargs: Any) -> None:
        kwargs["initial"] = _of_rule(rule)
        super().__init__(*args, **kwargs)
        types = LeadType.objects.values_list("key", "name")
        pipelines = Pipeline.objects.values_list("key", "name")
        self.fields["types"].choices = list(types)  # type: ignore[attr-defined]
        self.fields["pipelines"].choices = list(pipelines)  # type: ignore[attr-defined]
        self.fields["name"].required = True
        if rule.event not in _REPEATED:
            del self.fields["repeat"]
        if not rule.event.startswith("deal_"):
            del self.fields["pipelines"], self.fields["min_amount"]
        # What a rule listens to is what it is; another event is another rule.
        self.fields["event"].disabled = True

    def clean_countries(self) -> str:
        codes = [code.upper() for code in _words(self.cleaned_data["countries"])]
        unknown = [code for code in codes if code not in COUNTRIES]
        if unknown:
            raise forms.ValidationError(
                _("{unknown} is not a country code. Use two letters, such as DE.").format(unknown=unknown[0])
            )
        return ", ".join(codes)

    def changes(self) -> RuleChanges:
        filled = {"repeat": "", **self.cleaned_data}
        self.cleaned_data = filled
        changes = super().changes()
        if not filled["repeat"]:
            del changes["repeat"]
        changes["is_active"] = filled["is_active"]
        changes["conditions"] = self._conditions()
        return changes

    def _conditions(self) -> dict[str, object]:
        filled = self.cleaned_data
        found: dict[str, object] = {
            "sources": _words(filled["sources"]),
            "types": filled["types"],
            "tags": _words(filled["tags"]),
            "countries": _words(filled["countries"]),
            "pipelines": filled.get("pipelines"),
            "min_amount": filled.get("min_amount", "").strip(),
        }
        return {name: wanted for name, wanted in found.items() if wanted}


class FilterForm(forms.Form):
    """The filters of the log that are not links already."""

    event = forms.ChoiceField(
        label=gettext_lazy("Event"),
        required=False,
        choices=[("", gettext_lazy("Any event")), *CrmEvent.choices],
    )
    rule = forms.ChoiceField(label=gettext_lazy("Rule"), required=False)
    held_by = forms.ChoiceField(
        label=gettext_lazy("Held by"),
        required=False,
        choices=[("", gettext_lazy("Anything")), *Holder.choices],
    )
    is_test = forms.ChoiceField(
        label=gettext_lazy("Test events"),
        required=False,
        choices=[
            ("", gettext_lazy("Shown")),
            ("no", gettext_lazy("Left out")),
            ("yes", gettext_lazy("Only these")),
        ],
    )
    since = forms.CharField(
        label=gettext_lazy("Since"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.CharField(
        label=gettext_lazy("Until"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, *args: Any, rules: list[Rule], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [(str(rule.pk), f"{rule.name} ({rule.conversion_id})") for rule in rules]
        self.fields["rule"].choices = [("", _("Any rule")), *names]  # type: ignore[attr-defined]


def _of_rule(rule: Rule) -> dict[str, Any]:
    kept = rule.conditions
    return {
        "event": rule.event,
        "conversion_id": rule.conversion_id,
        "name": rule.name,
        "value": rule.value,
        "fixed_amount": f"{rule.fixed_amount.normalize():f}" if rule.fixed_amount else "",
        "fixed_currency": rule.fixed_currency,
        "repeat": rule.repeat,
        "is_active": rule.is_active,
        "sources": ", ".join(kept.get("sources", [])),
        "types": kept.get("types", []),
        "tags": ", ".join(kept.get("tags", [])),
        "countries": ", ".join(kept.get("countries", [])),
        "pipelines": kept.get("pipelines", []),
        "min_amount": kept.get("min_amount", ""),
    }


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
