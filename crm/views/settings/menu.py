"""The menu of the settings area: what there is, and who may open it. A new page adds its line here."""

from __future__ import annotations

from typing import Final, NamedTuple

from django.http import HttpRequest
from django.urls import reverse

from crm.access import Ability, Principal
from crm.frame import NavItem
from crm.texts import gettext_lazy

SETTINGS: Final = "/settings/"
YOU: Final = gettext_lazy("You")


class Entry(NamedTuple):
    """A page of the settings. `icon` is a name that the `icon` tag knows."""

    label: str
    url_name: str
    icon: str
    ability: Ability


# In the order of the page; a group none of whose pages may be opened is left away.
MENU: Final[tuple[tuple[str, tuple[Entry, ...]], ...]] = (
    (
        gettext_lazy("Company"),
        (
            Entry(gettext_lazy("General"), "settings_company", "building-office", Ability.MANAGE),
            Entry(gettext_lazy("Team"), "settings_team", "users", Ability.MANAGE),
        ),
    ),
    (
        gettext_lazy("Leads and deals"),
        (
            Entry(gettext_lazy("Statuses"), "settings_statuses", "flag", Ability.MANAGE),
            Entry(gettext_lazy("Types"), "settings_types", "inbox-arrow-down", Ability.MANAGE),
            Entry(gettext_lazy("Tags"), "settings_tags", "tag", Ability.MANAGE),
            Entry(gettext_lazy("Pipelines"), "settings_pipelines", "view-columns", Ability.MANAGE),
            Entry(gettext_lazy("Custom fields"), "settings_fields", "rectangle-stack", Ability.MANAGE),
            Entry(gettext_lazy("Automations"), "settings_automations", "bolt", Ability.MANAGE),
        ),
    ),
    (
        gettext_lazy("Privacy"),
        (
            Entry(gettext_lazy("Privacy"), "settings_privacy", "lock-closed", Ability.MANAGE),
            Entry(gettext_lazy("Audit log"), "settings_audit", "clipboard-document-list", Ability.MANAGE),
        ),
    ),
    (
        gettext_lazy("Connect"),
        (
            Entry(gettext_lazy("Web forms"), "settings_forms", "inbox-arrow-down", Ability.MANAGE),
            Entry(gettext_lazy("API keys"), "settings_keys", "key", Ability.MANAGE),
            Entry(gettext_lazy("Webhooks"), "settings_webhooks", "link", Ability.MANAGE),
        ),
    ),
    (YOU, (Entry(gettext_lazy("Your account"), "settings_you", "user-circle", Ability.WORK),)),
)


class Group(NamedTuple):
    """Entries under one heading."""

    label: str
    items: tuple[NavItem, ...]


def menu_of(principal: Principal, path: str) -> list[Group]:
    """The pages this member may open, with the current one marked."""
    groups = (
        Group(label, tuple(_item(entry, path) for entry in entries if principal.can(entry.ability)))
        for label, entries in MENU
    )
    return [group for group in groups if group.items]


def first_url(principal: Principal) -> str:
    """Where the settings open for whoever manages the company: its first page."""
    company = (entry for label, entries in MENU if label != YOU for entry in entries)
    return next((reverse(entry.url_name) for entry in company if principal.can(entry.ability)), "")


def settings_menu(request: HttpRequest) -> list[Group]:
    """The menu of whoever asks; without a company there is none."""
    principal: Principal | None = getattr(request, "principal", None)
    return menu_of(principal, request.path) if principal else []


def _item(entry: Entry, path: str) -> NavItem:
    url = reverse(entry.url_name)
    # allauth's pages about second step and password belong to the account.
    places = (url, "/accounts/") if entry.url_name == "settings_you" else (url,)
    return NavItem(entry.label, url, entry.icon, current=path.startswith(places))
