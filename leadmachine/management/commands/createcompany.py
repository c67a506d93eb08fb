"""`manage.py createcompany`: a company with its defaults and an owner, for scripts and first steps."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from crm.actions import companies, people
from leadmachine.management.sentences import in_one_line

SCOPES = ["read", "write", "admin"]


class Command(BaseCommand):
    """The last line on standard output is JSON; nothing else is written there."""

    help = "Makes a company and its owner; the last line printed is JSON with their ids and the API key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--email", required=True, help="the owner signs in with this address")
        parser.add_argument("--password", required=True, help="at least 12 characters")
        parser.add_argument("--api-key", metavar="NAME", help="also make an API key of this name")

    def handle(self, *, name: str, email: str, password: str, api_key: str | None, **options: Any) -> None:
        try:
            made = _create(name, email, password, api_key)
        except ValidationError as error:
            raise CommandError(in_one_line(error)) from error
        self.stdout.write(json.dumps(made))


@transaction.atomic
def _create(name: str, email: str, password: str, key_name: str | None) -> dict[str, str | None]:
    company = companies.create_company(name)
    owner = people.create_owner(company, email, password)
    key = people.create_api_key(company, key_name, SCOPES, user=owner) if key_name else None
    return {"company": str(company.pk), "user": str(owner.pk), "api_key": key.secret if key else None}
