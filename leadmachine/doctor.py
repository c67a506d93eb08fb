"""Looks an installation over: each examination answers with findings, in a sentence each and what to do about it.

Only what was really looked at is reported. What cannot be reached stops the examinations that need it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from capi import accounting, counter, rotation, versions
from capi.models import ConversionEvent, Status
from crm import tombstones, vault, walls
from crm.models import Company, Erasure
from crm.tenancy import company_scope, every_company
from leadmachine import database
from leadmachine.checks import PRIVILEGED, UNPRIVILEGED

# What is due is sent within seconds; whatever waits longer than this waits for a worker.
LATE = timedelta(minutes=5)


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, what was found, and what to do; `remedy` is empty where all is well."""

    subject: str
    found: str
    remedy: str = ""

    @property
    def is_wrong(self) -> bool:
        return bool(self.remedy)

    def __str__(self) -> str:
        mark = "WRONG" if self.is_wrong else "ok"
        return f"{mark:<6}{self.subject}: {self.found} {self.remedy}".rstrip()


def examine() -> Iterator[Finding]:
    """Every finding, in the order of looking."""
    yield from _configuration()
    yield _api_version()
    yield _broker()
    answer = _database()
    yield answer
    if answer.is_wrong:
        return
    yield from _walls_can_stand()
    migrations = _migrations()
    yield migrations
    if migrations.is_wrong:
        return
    yield _walls()
    with every_company():
        yield from _secrets()
        yield _erasures()
        yield _delivery()
        yield _accounting()


def _configuration() -> Iterator[Finding]:
    # The version has a line of its own, which says how long it lasts.
    messages = checks.run_checks(include_deployment_checks=settings.IS_HTTPS)
    serious = [m for m in messages if m.level >= checks.WARNING and m.id not in ("capi.W001", "capi.W002")]
    for message in serious:
        yield Finding("configuration", message.msg, message.hint or f"See the check {message.id}.")
    if not serious:
        yield Finding("configuration", "No setting is wrong.")


def _api_version() -> Finding:
    version = settings.LINKEDIN_VERSION
    left = versions.days_left(version, timezone.now().date())
    remedy = f"Set LINKEDIN_VERSION to a newer one, such as {versions.NEWEST}, and restart."
    if left is None:
        return Finding("API version", f"It is not known here how long LinkedIn serves {version}.")
    if left < 0:
        return Finding("API version", f"LinkedIn has retired {version}; events are held.", remedy)
    if left < versions.WARN_DAYS:
        return Finding("API version", f"LinkedIn serves {version} for only {left} more days.", remedy)
    return Finding("API version", f"LinkedIn serves {version} for {left} more days.")


def _broker() -> Finding:
    if not settings.REDIS_URL:
        return Finding("broker", "REDIS_URL is not set, so `manage.py up` starts one of its own.")
    import redis

    client = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=3, socket_timeout=3)
    try:
        policy = str(client.config_get("maxmemory-policy").get("maxmemory-policy", ""))
    except redis.ResponseError:
        return Finding("broker", "It answers. It does not say what it does when its memory is full.")
    except redis.RedisError as error:
        return Finding(
            "broker",
            f"It does not answer ({type(error).__name__}); events are delivered late.",
            "Start Redis, or correct REDIS_URL.",
        )
    finally:
        client.close()
    if policy != "noeviction":
        remedy = "Set maxmemory-policy to noeviction, or it may throw away its own queues."
        return Finding("broker", f"Its maxmemory-policy is {policy}.", remedy)
    return Finding("broker", "It answers, and never evicts.")


def _database() -> Finding:
    try:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        reason = str(error).strip().splitlines()[0]
        return Finding("database", f"It does not answer: {reason}", "Start it, or correct DATABASE_URL.")
    return Finding("database", f"{connection.display_name} answers.")


def _walls_can_stand() -> Iterator[Finding]:
    if connection.vendor != "postgresql":
        return
    if role := database.privileged_role(connection):
        yield Finding("database role", f"{role} {PRIVILEGED}", UNPRIVILEGED)
    else:
        yield Finding("database role", "It has no privileges that pass by the walls between companies.")
    if database.has_own_session(connection):
        yield Finding("database sessions", "They keep their settings.")
    else:
        yield Finding(
            "database sessions",
            "A pooler hands them on between transactions, and with them what was set for somebody else.",
            "Connect to PostgreSQL itself, or set the pooler to session mode.",
        )


def _walls() -> Finding:
    """The keys (triggers on SQLite) that hold a row and what it points to in one company."""
    missing = walls.missing(connection, apps)
    if missing:
        remedy = "Run manage.py migrate, which raises them."
        return Finding("walls", f"{len(missing)} of the walls between companies are missing.", remedy)
    return Finding("walls", "All of the walls between companies stand.")


def _migrations() -> Finding:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        return Finding("migrations", f"{len(missing)} are missing.", "Run manage.py migrate.")
    return Finding("migrations", "All are applied.")


def _secrets() -> Iterator[Finding]:
    """Decrypts one stored secret of each key."""
    tried: dict[str, str] = {}
    for sealed in rotation.SEALED:
        for company, stored in sealed.rows().values_list("company", sealed.column).iterator():
            key = _key_of(stored)
            if key not in tried:
                tried[key] = _why_unreadable(stored, company, sealed.field)
    for key, why in sorted(tried.items()):
        if why:
            remedy = "Put the key back into FIELD_KEYS, or save those LinkedIn tokens again."
            yield Finding("keys", f"What is stored under {key} cannot be read: {why}", remedy)
        else:
            yield Finding("keys", f"What is stored under {key} can be read.")
    if not tried:
        yield Finding("keys", "No secret is stored yet.")


def _key_of(stored: str) -> str:
    try:
        return vault.key_id(stored)
    except vault.VaultError:
        return "no key"


def _why_unreadable(stored: str, company: UUID, field: str) -> str:
    try:
        vault.decrypt(stored, company, field)
    except vault.VaultError as error:
        return str(error)
    return ""


def _erasures() -> Finding:
    """Whether erased people would be known again: the list is there, and made with the key of today."""
    file = tombstones.path()
    count = Erasure.objects.count()
    if not file.exists():
        if not count:
            return Finding("erasures", "Nobody was erased yet.")
        remedy = (
            "Bring the file erasures of the former DATA_DIR, so that a restored backup brings nobody back."
        )
        return Finding("erasures", f"{count} people were erased, and {file} does not name them.", remedy)
    try:
        made_with = {record.key for record in tombstones.read(file)} - {""}
    except (OSError, ValueError) as error:
        return Finding("erasures", f"{file} cannot be read: {error}", "Bring back a copy of it.")
    if made_with - {tombstones.key_name()}:
        remedy = "Put back the ERASURE_KEY of that time (DATA_DIR/erasure_key if it was not set)."
        return Finding(
            "erasures", "ERASURE_KEY is another one, and who was erased is not known again.", remedy
        )
    return Finding("erasures", "Who was erased would be known again.")


def _delivery() -> Finding:
    """Whether somebody takes what is due. A connection that waits (429, an outage) is no sign of a missing worker."""
    from capi import delivery

    now = timezone.now()
    late = ConversionEvent.objects.filter(status=Status.PENDING, next_attempt_at__lt=now - LATE)
    waiting = late.filter(company__in=delivery.companies_with_work()).count()
    if waiting:
        remedy = "Start a worker and the schedule (both are part of manage.py up), or run manage.py deliver."
        return Finding("delivery", f"{waiting} events have been due for over 5 minutes.", remedy)
    stuck = ConversionEvent.objects.filter(status=Status.SENDING, lease_until__lt=now - LATE).count()
    if stuck:
        remedy = "Start a worker and the schedule, or run manage.py deliver."
        return Finding(
            "delivery", f"{stuck} events were left by a worker that died, and nobody took them.", remedy
        )
    return Finding("delivery", "Nothing waits that is due.")


def _accounting() -> Finding:
    """created = accepted + waiting + sending + held + skipped + rejected + expired + cancelled, for every company."""
    if not counter.is_up(connection):
        remedy = "Run manage.py migrate, which puts the counter up."
        return Finding("accounting", "What is recorded is not counted.", remedy)
    wrong = []
    for company in Company.objects.all():
        with company_scope(company):
            found = accounting.account(company)
        if not found.adds_up:
            wrong.append(f"{company.name} ({found})")
    if wrong:
        remedy = "Restore a backup beside this database and compare, and tell the developers."
        return Finding("accounting", f"The events of {'; '.join(wrong)} do not add up.", remedy)
    return Finding("accounting", "Every event recorded is accounted for.")
