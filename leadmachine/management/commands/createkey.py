"""`manage.py createkey`: an API key for a company. The only way to make one besides the settings page."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from crm.actions import people
from crm.models import Company
from leadmachine.management.auditing import COMMAND
from leadmachine.management.sentences import in_one_line


class Command(BaseCommand):
    """The key is printed once and stored nowhere."""

    help = "Makes an API key; the last line printed is JSON with its id and the key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("company", help="id or name")
        parser.add_argument("name", help="what the key is for")
        parser.add_argument("--scopes", required=True, help=f"some of {','.join(people.API_SCOPES)}")

    def handle(self, *, company: str, name: str, scopes: str, **options: Any) -> None:
        wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
        try:
            key = people.create_api_key(_company(company), name, wanted, actor=COMMAND)
        except ValidationError as error:
            raise CommandError(in_one_line(error)) from error
        self.stdout.write(json.dumps({"id": str(key.row.pk), "api_key": key.secret}))


def _company(id_or_name: str) -> Company:
    found = list(Company.objects.filter(**_lookup(id_or_name))[:2])
    if not found:
        raise CommandError(f"There is no company {id_or_name!r}. Give its id or its exact name.")
    if len(found) > 1:
        raise CommandError(f"Several companies are called {id_or_name!r}. Give the id.")
    return found[0]


def _lookup(id_or_name: str) -> dict[str, Any]:
    try:
        return {"pk": UUID(id_or_name)}
    except ValueError:
        return {"name": id_or_name}
