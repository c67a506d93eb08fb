"""What records are found by: groups of letters, hashed. PostgreSQL's triggers keep it (see the migration `search`)."""

from __future__ import annotations

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class Found(models.IntegerChoices):
    """What an entry leads to. Part of the hash, so that one kind never finds another."""

    LEAD = 1, "Lead"
    ORGANIZATION = 2, "Organization"
    DEAL = 3, "Deal"


class Grams(models.TextField):  # type: ignore[type-arg]  # not subscriptable when it runs
    """Hashes of the groups of three letters in a text, each made with the company's id. Used in queries only."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "integer[]" if connection.vendor == "postgresql" else "text"


class SearchEntry(models.Model):
    """One text that a record is found by: a name, an address, a number, a title. Empty on SQLite.

    No row of a company: row-level security would hide it from its index, as comparing arrays is not leakproof. So it
    holds nothing to read. What it leads to is looked up behind the walls.
    """

    source = models.UUIDField(primary_key=True, help_text="The row that the text is from.")
    record = models.UUIDField(db_index=True, help_text="The lead, organization or deal that is found by it.")
    grams = Grams()

    class Meta:
        verbose_name_plural = "search entries"

    def __str__(self) -> str:
        return str(self.record)
