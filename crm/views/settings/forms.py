"""The forms of the team: invite, join, hand over."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _

from crm.actions.invitations import INVITED_ROLES
from crm.actions.members import HandOver
from crm.forms import SentenceForm
from crm.models import Membership, User
from crm.texts import gettext_lazy


class InviteForm(SentenceForm):
    """Whom to invite, and as what."""

    email = forms.CharField(
        label=gettext_lazy("E-mail"),
        max_length=254,
        widget=forms.EmailInput(attrs={"placeholder": "name@company.com", "autocomplete": "off"}),
    )
    first_name = forms.CharField(
        max_length=80, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    last_name = forms.CharField(
        max_length=80, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    role = forms.ChoiceField(choices=[(role.value, role.label) for role in INVITED_ROLES])


class AcceptForm(SentenceForm):
    """A new account for somebody who was invited. The address is the invitation's."""

    first_name = forms.CharField(max_length=80, widget=forms.TextInput(attrs={"autocomplete": "given-name"}))
    last_name = forms.CharField(max_length=80, widget=forms.TextInput(attrs={"autocomplete": "family-name"}))
    password = forms.CharField(
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy("At least 12 characters."),
    )


class HandOverForm(forms.Form):
    """Who takes the records of somebody who leaves."""

    to = forms.ChoiceField(
        label=gettext_lazy("Who takes over?"),
        error_messages={"required": gettext_lazy("Choose who takes over.")},
    )

    def __init__(self, data: QueryDict | None = None, *, membership: Membership) -> None:
        super().__init__(data)
        fallback = membership.company.fallback_owner
        others = Membership.objects.active().exclude(pk=membership.pk).select_related("user")
        self._people = {str(other.user_id): other.user for other in others}
        named = [(pk, str(user)) for pk, user in self._people.items()]
        choices: list[tuple[str, str]] = []
        if fallback and fallback.pk != membership.user_id:
            choices.append(
                (HandOver.FALLBACK.value, _("{fallback}, the fallback owner").format(fallback=fallback))
            )
        field: Any = self.fields["to"]
        field.choices = [*choices, *named, (HandOver.NOBODY.value, _("Nobody"))]

    def heir(self) -> User | HandOver:
        chosen = self.cleaned_data["to"]
        return self._people.get(chosen) or HandOver(chosen)
