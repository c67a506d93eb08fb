"""The data map: for every field of every table, whose data it holds. Export, erasure and docs/privacy are made from it.

    person    about a lead: exported with them, and gone with them
    mention   the company's own words, which may name a lead: blanked where they do
    staff     about somebody who signs in
    secret    a credential, or what could be used as one: never exported
    plain     about nobody

Relations, keys, numbers, switches and times say nothing by themselves and are plain unless named here. Every other
field must be named; a test fails for one that is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from django.apps import apps
from django.db import models
from django.db.models import Q

from crm.models import Lead

Whose = Literal["person", "mention", "staff", "secret", "plain"]
# Relations and these say nothing by themselves.
_MUTE = (
    models.AutoField,
    models.UUIDField,
    models.BooleanField,
    models.IntegerField,
    models.FloatField,
    models.DecimalField,
    models.DateTimeField,
)


@dataclass(frozen=True)
class Table:
    """A model, what it is for, and whose data its fields hold (names apart by blanks).

    `rows` finds a lead's rows in it; None where it has none.
    """

    label: str
    purpose: str
    person: str = ""
    mention: str = ""
    staff: str = ""
    secret: str = ""
    plain: str = ""
    rows: Callable[[Lead], Q] | None = None

    @property
    def model(self) -> type[models.Model]:
        return apps.get_model(self.label)

    def named(self) -> dict[str, Whose]:
        """The fields named in the map."""
        kinds: tuple[Whose, ...] = ("person", "mention", "staff", "secret", "plain")
        return {field: kind for kind in kinds for field in getattr(self, kind).split()}

    def fields(self) -> dict[str, Whose]:
        """Every column, with whose data it holds."""
        named = self.named()
        return {field.name: named.get(field.name, "plain") for field in self.model._meta.concrete_fields}


def is_mute(field: models.Field[object, object]) -> bool:
    """Whether a field says nothing by itself, so that the map need not name it."""
    return field.is_relation or isinstance(field, _MUTE)


_tables: dict[str, Table] = {}


def register(*tables: Table) -> None:
    """Add tables to the map. Apps do so when they start."""
    _tables.update({table.label: table for table in tables})
    mentions.cache_clear()


def tables() -> Iterator[Table]:
    """The whole map, by name of the table."""
    return iter(sorted(_tables.values(), key=lambda table: table.label))


@cache
def mentions() -> tuple[tuple[type[models.Model], tuple[str, ...]], ...]:
    """The models with words of the company that may name a person, and their fields."""
    return tuple((table.model, tuple(table.mention.split())) for table in tables() if table.mention)


def _of_them(lead: Lead) -> Q:
    """The person's own rows, and what a merge has left with the lead that they were before."""
    return Q(lead=lead) | Q(lead__merged_into=lead)


register(
    Table(
        "crm.Lead",
        "The person: name, work, consent, and where they came from",
        person=(
            "first_name last_name title country_code source external_id custom consent consent_source "
            "consent_text_version li_fat_id utm_source utm_medium utm_campaign utm_term utm_content referrer "
            "landing_page first_touch browser_event_id lead_gen_response"
        ),
        plain="origin",
        rows=lambda lead: Q(pk=lead.pk) | Q(merged_into=lead),
    ),
    Table(
        "crm.LeadEmail",
        "Their e-mail addresses",
        person="address address_key label",
        rows=_of_them,
    ),
    Table(
        "crm.LeadPhone",
        "Their telephone numbers",
        person="number digits label",
        rows=_of_them,
    ),
    Table("crm.LeadWebsite", "Their web sites", person="url label", rows=_of_them),
    Table(
        "crm.Attachment",
        "Files kept beside them; the bytes are in DATA_DIR/uploads, in backups too, and go with the row",
        mention="name",
        staff="actor_label",
        rows=lambda lead: _of_them(lead) | Q(deal__lead=lead),
    ),
    Table(
        "crm.Import",
        "A file of leads that somebody brought; the file is kept for 30 days beside the database, out of backups",
        mention="file_name",
        staff="actor_label",
        plain=("encoding delimiter headers preset mapping on_match source state plan error"),
    ),
    Table(
        "crm.ImportRow",
        "What an import did to a lead, so that it can be undone; and why it left a row out. Kept for 30 days",
        person="before",
        mention="value reason",
        plain="outcome",
        rows=lambda lead: Q(lead=lead),
    ),
    Table("crm.LeadTag", "Tags put on them", rows=_of_them),
    Table(
        "crm.Merge",
        "That two leads were one person, with what it takes to undo it for 30 days",
        person="kept",
        staff="actor_label",
        rows=lambda lead: Q(survivor=lead) | Q(loser=lead) | Q(survivor__merged_into=lead),
    ),
    Table(
        "crm.LeadStatusChange",
        "Every status they had, and since when",
        plain="to_category",
        rows=lambda lead: Q(lead=lead),
    ),
    Table(
        "crm.Activity",
        "The timeline: notes, calls, meetings, e-mails, and every change",
        mention="old new text",
        staff="actor_label",
        plain="kind field",
        rows=lambda lead: Q(lead=lead),
    ),
    Table("crm.Mention", "Which member a note names", rows=lambda lead: Q(activity__lead=lead)),
    Table(
        "crm.Deal",
        "What they might buy",
        mention="title next_step close_reason custom",
        plain="currency status expected_close next_step_on external_id origin",
        rows=lambda lead: Q(lead=lead) | Q(people__lead=lead),
    ),
    Table(
        "crm.Task",
        "What is to be done about them",
        mention="title notes",
        plain="due_on due_time",
        rows=lambda lead: Q(lead=lead) | Q(deal__lead=lead) | Q(deal__people__lead=lead),
    ),
    Table(
        "crm.SubTask",
        "The steps of a task",
        mention="title",
        rows=lambda lead: Q(task__lead=lead) | Q(task__deal__lead=lead) | Q(task__deal__people__lead=lead),
    ),
    Table(
        "crm.Notification",
        "What people were told, such as that a lead is theirs",
        mention="text",
        plain="kind url key",
        rows=lambda lead: Q(lead=lead) | Q(task__lead=lead) | Q(deal__lead=lead),
    ),
    Table("crm.DigestMailed", "That somebody got the mail of a morning", plain="day"),
    Table(
        "crm.CalendarFeed",
        "The address of somebody's tasks as a calendar; only a hash is kept",
        secret="digest",  # noqa: S106
    ),
    Table(
        "crm.AutomationEntry",
        "What the product did by itself",
        mention="text",
        plain="kind key",
        rows=lambda lead: Q(lead=lead) | Q(deal__lead=lead),
    ),
    Table("crm.Automations", "The company's switches of what happens by itself"),
    Table("crm.AssignmentRule", "Who gets a lead that arrives", plain="source country_code"),
    Table("crm.AssignmentPerson", "Who takes turns at a rule's leads"),
    Table("crm.StageTask", "Tasks that a stage brings", plain="title"),
    Table("crm.TaskAssignee", "Who is to do a task"),
    Table("crm.DealPerson", "Their part in a deal", person="role", rows=lambda lead: Q(lead=lead)),
    Table(
        "crm.DealStageChange",
        "Every stage of a deal, and since when",
        plain="from_kind to_kind",
        rows=lambda lead: Q(deal__lead=lead) | Q(deal__people__lead=lead),
    ),
    Table(
        "crm.Organization",
        "The firm they work for",
        mention="custom",
        plain="name name_key domain",
        rows=lambda lead: Q(leads=lead),
    ),
    Table(
        "crm.IdempotencyRecord",
        "The answer to a request of the API, kept for a day in case it is repeated",
        person="body",
        plain="caller key fingerprint etag",
        rows=lambda lead: Q(body__contains=str(lead.pk)),
    ),
    Table("crm.LeadStatus", "The company's statuses", plain="name key category colour"),
    Table("crm.LeadType", "The company's lead types", plain="name key"),
    Table("crm.CustomField", "The company's custom fields", plain="entity name key kind options"),
    Table("crm.Tag", "The company's tags", plain="name name_key colour"),
    Table("crm.Pipeline", "The company's pipelines", plain="name key"),
    Table("crm.Stage", "The stages of its pipelines", plain="name key kind"),
    Table(
        "crm.Company",
        "The company and its settings",
        plain="name currency time_zone language default_source consent_policy internal_domains",
    ),
    Table("crm.Retention", "How long the company keeps what it no longer needs"),
    Table("crm.Erasure", "That somebody was erased, by whom and when", staff="actor_label"),
    Table("crm.Tombstone", "Keyed hashes that know an erased person again", plain="digest"),
    Table(
        "crm.SearchEntry",
        "What PostgreSQL finds records by: hashes of letters; they go with their row",
        secret="grams",  # noqa: S106  the name of a field
    ),
    Table(
        "crm.ApiKey",
        "Keys of other systems; only a hash is kept",
        secret="digest previous_digest prefix",  # noqa: S106  names of fields
        plain="name scopes last_used_on",
    ),
    Table(
        "crm.Webhook",
        "Other systems that are told what happens",
        secret="secret_sealed earlier_sealed",  # noqa: S106  names of fields
        plain="url description events disabled_reason",
    ),
    Table(
        "crm.WebhookDelivery",
        "What those systems were told, for a month",
        person="body message",
        plain="event status",
        rows=_of_them,
    ),
    Table(
        "crm.WebhookAttempt",
        "Each request to those systems, with how the answer began",
        person="message answer",
        rows=lambda lead: Q(delivery__lead=lead) | Q(delivery__lead__merged_into=lead),
    ),
    Table(
        "crm.WebForm",
        "Web forms that leads come by",
        plain=("name allowed_origins redirects source conversion_id fields language title logo_text accent"),
    ),
    Table("crm.ConsentText", "What visitors were asked to agree to, each version", plain="text"),
    Table("crm.WebsiteTest", "Trials of a web site with a click id that is made up", plain="url click_id"),
    Table(
        "crm.Submission",
        "What became of something sent by a web form; kept for 30 days, its keyed hash for one",
        plain="outcome reason fingerprint",
    ),
    Table(
        "crm.User",
        "Who signs in",
        staff="email first_name last_name",
        secret="password",  # noqa: S106  the name of a field
        plain="language",
    ),
    Table("crm.Membership", "Who works for which company", plain="role"),
    Table(
        "crm.AuditEntry",
        "Who did what that matters; people and records by id, values masked",
        staff="actor_label address",
        plain="channel action subject_type changes",
        rows=lambda lead: Q(subject_id=lead.pk),
    ),
    Table(
        "crm.SavedView",
        "Lists as people want to find them again",
        mention="name params",
        plain="noun columns sort",
    ),
    Table(
        "crm.BulkRun",
        "What was changed in many records at once, kept for 30 days",
        mention="reason said",
        plain="noun verb target state",
    ),
    Table(
        "crm.BulkRow",
        "What became of each record of such a change",
        plain="outcome why",
        rows=lambda lead: Q(lead=lead),
    ),
    Table(
        "admin.LogEntry",
        "What was changed in the admin panel",
        staff="object_repr change_message",
        plain="object_id action_flag",
        rows=lambda lead: Q(object_id=str(lead.pk)),
    ),
    Table("sessions.Session", "Who is signed in", secret="session_key session_data"),  # noqa: S106
    Table("auth.Group", "Not used; part of Django", plain="name"),
    Table("auth.Permission", "Not used; part of Django", plain="name codename"),
    Table("contenttypes.ContentType", "The names of the tables; part of Django", plain="app_label model"),
    Table("account.EmailAddress", "The addresses people sign in with", staff="email"),
    Table(
        "crm.Invitation",
        "Who was invited to the company",
        staff="email first_name last_name",
        secret="digest",  # noqa: S106
        plain="role",
    ),
    Table("mfa.Authenticator", "Second steps at sign-in", secret="data", plain="type"),  # noqa: S106
    Table(
        "usersessions.UserSession",
        "Browsers that are signed in",
        staff="ip user_agent",
        secret="session_key data",  # noqa: S106
    ),
    Table(
        "socialaccount.SocialAccount",
        "Services such as LinkedIn that people sign in with",
        staff="uid extra_data",
        plain="provider",
    ),
    Table(
        "socialaccount.SocialApp",
        "Not used, clients of services are in the environment; part of allauth",
        secret="client_id secret key settings",  # noqa: S106
        plain="provider provider_id name",
    ),
    Table(
        "socialaccount.SocialToken",
        "Not used, what a service grants is not kept; part of allauth",
        secret="token token_secret",  # noqa: S106
    ),
    Table(
        "account.EmailConfirmation",
        "Links that confirm an address",
        secret="key",  # noqa: S106
    ),
)


def as_page() -> str:
    """The map as docs/privacy/data-map.md."""
    return "\n".join([_HEAD, *(_section(table) for table in tables())])


def _section(table: Table) -> str:
    name = str(table.model._meta.verbose_name_plural).capitalize()
    named = {kind: getattr(table, kind).split() for kind in _WORDS}
    rows = [f"| {_WORDS[kind]} | {_in_code(names)} |" for kind, names in named.items() if names]
    fields = "\n".join(["| Whose | Fields |", "|---|---|", *rows, "", ""]) if rows else ""
    export = "Part" if table.rows else "Not part"
    return f"## {name} (`{table.label}`)\n\n{table.purpose}.\n\n{fields}{export} of a person's export.\n"


def _in_code(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


_WORDS = {
    "person": "The person's; gone with them",
    "mention": "The company's words; names in them are blanked",
    "staff": "Of those who sign in",
    "secret": "Secret; never exported",
    "plain": "Nobody's",
}
_HEAD = """# Data map

Every table, what it is for, and whose data its fields hold. Keys, numbers, switches and times are nobody's and are
left out. Made from `crm/datamap.py` and `capi/datamap.py`; a test fails when a field is missing there, or when this
page is stale. Purposes, legal bases and recipients are in the [privacy notice](notice-template.md), times in
[retention](erasure.md#retention).
"""
