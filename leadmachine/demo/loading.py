"""Loads sample companies: once by itself on a fresh installation, and at any scale by `seed_demo`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.utils import timezone

from crm.actions import people
from crm.actions.companies import create_company
from crm.models import Company, User
from crm.tenancy import company_scope
from leadmachine import env
from leadmachine.demo import cast, errands, log, opening, routine
from leadmachine.demo.world import World

# So many leads are built in memory at a time.
CHUNK = 4000
_MARKER = "demo-was-loaded"


class Login(NamedTuple):
    """How to sign in to the demo."""

    email: str
    password: str


@dataclass(frozen=True)
class Plan:
    """How much to make of each, over all companies together."""

    companies: int = 1
    leads: int = 200
    deals: int = 60
    activities: int = 400

    def share(self, number: int, parts: int) -> Plan:
        """The part of one of so many companies (or chunks); the parts add up to the whole."""
        first, following = number * self.leads // parts, (number + 1) * self.leads // parts
        return Plan(
            1,
            following - first,
            (number + 1) * self.deals // parts - number * self.deals // parts,
            (number + 1) * self.activities // parts - number * self.activities // parts,
        )


def load_once() -> Login | None:
    """Load the demo into an installation without any company, unless it was there before and was cleared.

    Returns the login for as long as the demo's owner has the password that was made for the demo.
    """
    marker = settings.DATA_DIR / _MARKER
    if not Company.objects.exists() and not marker.exists():
        with transaction.atomic():
            seed(Plan())
        remember_loading()
    return login()


def seed(plan: Plan) -> list[Company]:
    """Add sample companies with a past. A large one is written in several transactions."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(
                "PRAGMA cache_size = -200000"
            )  # 200 MB, or large indexes are read from disk all the time
    return [_company(number, plan.share(number, plan.companies)) for number in range(plan.companies)]


def login() -> Login | None:
    """The demo's login, if its owner is there and did not choose another password."""
    owner = User.objects.filter(email=cast.COLLEAGUES[0].email, is_active=True).first()
    kept = _password_file()
    if owner is None or not kept.exists():
        return None
    password = demo_password()
    return Login(owner.email, password) if owner.check_password(password) else None


def demo_password() -> str:
    """Made at first use, and kept where the other keys of this installation are."""
    return env.made_on_first_run("DEMO_PASSWORD", lambda: f"demo-{secrets.token_hex(6)}")


def remember_loading() -> None:
    """A demo that was cleared stays cleared."""
    (settings.DATA_DIR / _MARKER).touch(mode=0o600)


def _password_file() -> Path:
    return Path(settings.DATA_DIR) / "demo_password"


def _company(number: int, plan: Plan) -> Company:
    now = timezone.now()
    name = _free_name()
    company = create_company(
        name, is_sample=True, internal_domains=[cast.DEMO_DOMAIN], default_source="Web form"
    )
    users = _colleagues(company)
    company.fallback_owner = users[0]
    company.created_at = now - timedelta(days=routine.DAYS + 10)
    company.save(update_fields=["fallback_owner", "created_at"])
    with company_scope(company):
        # The same words at every loading; only the times move with the calendar.
        world = World(company, now, Random(f"{name} {plan}"), users)  # noqa: S311  # nosec B311: not for secrets
        world.look_around()
        with transaction.atomic():
            history = log.connect(world, users[0], plan.leads)
        rest = _after_opening(plan)
        if rest != plan:
            opening.play(world)
        for era in _eras(rest):
            with transaction.atomic():
                _write(world, history, rest.share(era.number, era.parts), era)
        history.write_test(now - timedelta(days=2))
        if rest != plan:
            errands.hand_out(world)
    return company


def _after_opening(plan: Plan) -> Plan:
    """What is left to make after the opening scene, which needs some leads and deals of the plan's."""
    if plan.leads <= opening.LEADS or plan.deals < opening.DEALS:
        return plan
    sayings = max(0, plan.activities - opening.SAYINGS)
    return Plan(1, plan.leads - opening.LEADS, plan.deals - opening.DEALS, sayings)


def _write(world: World, history: log.Log, plan: Plan, era: routine.Era) -> None:
    routine.live(world, plan.leads, plan.deals, plan.activities, era)
    world.insert()
    history.write(world.facts)
    world.facts.clear()


def _eras(plan: Plan) -> Iterator[routine.Era]:
    """So many parts that each fits into memory, oldest first: rows are inserted nearly in the order of their ids."""
    parts = max(1, -(-max(plan.leads, plan.deals, plan.activities // 5) // CHUNK))
    return (routine.Era(number, parts) for number in range(parts))


def _free_name() -> str:
    taken = set(Company.objects.values_list("name", flat=True))
    names = (
        name if round_ == 1 else f"{name} {round_}" for round_ in range(1, 10_000) for name in cast.COMPANIES
    )
    return next(name for name in names if name not in taken)


def _colleagues(company: Company) -> list[User]:
    """The same four people work at every sample company; only the owner's password is known."""
    users = []
    for colleague in cast.COLLEAGUES:
        user, is_new = User.objects.get_or_create(
            email=colleague.email,
            defaults={"first_name": colleague.first_name, "last_name": colleague.last_name},
        )
        if is_new:
            is_owner = colleague is cast.COLLEAGUES[0]
            user.password = make_password(demo_password() if is_owner else None)
            user.save(update_fields=["password"])
        people.add_member(company, user, colleague.role)
        users.append(user)
    return users
