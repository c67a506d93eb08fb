"""What the sandbox's LinkedIn knows: ad accounts, conversion rules, tokens, API versions and the time."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, Final

SANDBOX_TOKEN: Final = "sandbox-token-of-halden-systems-emea"  # noqa: S105 - opens nothing but this sandbox
SANDBOX_ACCOUNT: Final = 507404993
OTHER_TOKEN: Final = "sandbox-token-of-tidewater-lines"  # noqa: S105 - opens nothing but this sandbox
OTHER_ACCOUNT: Final = 508220417
# The token of an app with Lead Sync, and the client secret of that app.
LEAD_TOKEN: Final = "sandbox-lead-sync-token-of-halden"  # noqa: S105 - opens nothing but this sandbox
LEAD_SECRET: Final = "sandbox-client-secret"  # noqa: S105 - opens nothing but this sandbox
CAPI_METHOD: Final = "CONVERSIONS_API"

# The table of LinkedIn's migrations page, read on 22 September 2026: the last day of each version.
VERSION_ENDS: Final = {
    "202609": date(2027, 9, 15),
    "202608": date(2027, 8, 17),
    "202607": date(2027, 7, 15),
    "202606": date(2027, 6, 15),
    "202605": date(2027, 5, 15),
    "202604": date(2027, 4, 15),
    "202603": date(2027, 3, 16),
    "202602": date(2027, 2, 15),
    "202601": date(2027, 1, 15),
    "202511": date(2026, 11, 16),
    "202510": date(2026, 10, 15),
    "202509": date(2026, 9, 15),
    "202508": date(2026, 8, 17),
}


@dataclass(frozen=True)
class Campaign:
    id: int
    name: str
    status: str = "ACTIVE"


@dataclass(frozen=True)
class Account:
    id: int
    name: str
    currency: str = "EUR"
    campaigns: tuple[Campaign, ...] = ()


@dataclass(frozen=True)
class Rule:
    """A conversion rule. `campaigns` are campaign ids; a rule without any is never credited."""

    id: int
    name: str
    account: int
    type: str
    method: str = CAPI_METHOD
    enabled: bool = True
    campaigns: tuple[int, ...] = ()
    click_days: int = 30
    view_days: int = 7
    attribution: str = "LAST_TOUCH_BY_CAMPAIGN"
    value_type: str = "DYNAMIC"


@dataclass(frozen=True)
class Grant:
    """What a token may do. A Direct API token may turn out unable to read: `can_read=False`."""

    accounts: frozenset[int]
    revoked: bool = False
    can_read: bool = True
    role: str = "ACCOUNT_MANAGER"
    lead_sync: bool = False


@dataclass(frozen=True)
class Poison:
    """Events refused by their id. Without `indices` the answer does not say which: it must be searched."""

    event_ids: frozenset[str] = frozenset()
    indices: bool = False
    status: int = 400


@dataclass
class World:
    """The mutable state that answers depend on; `capi.sandbox.app` guards it with a lock."""

    accounts: dict[int, Account] = field(default_factory=dict)
    rules: dict[int, Rule] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    version_ends: dict[str, date] = field(default_factory=lambda: dict(VERSION_ENDS))
    # Lead Gen Forms: responses by id as LinkedIn shows them, and subscriptions as (ad account, webhook).
    responses: dict[str, dict[str, Any]] = field(default_factory=dict)
    subscriptions: dict[str, tuple[int, str]] = field(default_factory=dict)
    clock_offset: float = 0.0
    poison: Poison = Poison()

    def now_ms(self) -> int:
        return int((time.time() + self.clock_offset) * 1000)

    def has_version(self, version: str) -> bool:
        """Whether the version exists and its last day is not over (UTC)."""
        ends = self.version_ends.get(version)
        return ends is not None and datetime.fromtimestamp(self.now_ms() / 1000, UTC).date() <= ends

    def rules_of(self, account: int) -> list[Rule]:
        return [rule for rule in self.rules.values() if rule.account == account]

    def add_rule(self, rule: Rule) -> None:
        self.rules[rule.id] = rule

    def next_rule_id(self) -> int:
        return max(self.rules, default=23_948_800) + 1

    def add_token(self, token: str, accounts: Iterable[int], *, can_read: bool = True) -> None:
        self.grants[token] = Grant(frozenset(accounts), can_read=can_read)

    def revoke_token(self, token: str) -> None:
        """Revoke a token; raises KeyError for one that was never given out."""
        self.grants[token] = replace(self.grants[token], revoked=True)


def seeded_world() -> World:
    """Return the two ad accounts that the demo and the documentation speak of."""
    campaigns = (
        Campaign(412_208_101, "Cold chain buyers, DACH"),
        Campaign(412_208_102, "Warehouse leads, Benelux"),
        Campaign(412_208_103, "Retargeting, demo page"),
    )
    every = tuple(campaign.id for campaign in campaigns)
    halden = SANDBOX_ACCOUNT
    rules = [
        Rule(23_948_811, "Lead", halden, "LEAD", campaigns=every, value_type="NO_VALUE"),
        Rule(23_948_812, "Qualified lead", halden, "QUALIFIED_LEAD", campaigns=every, value_type="NO_VALUE"),
        Rule(
            23_948_815, "Demo booked", halden, "SALES_QUALIFIED_LEAD", campaigns=every, value_type="NO_VALUE"
        ),
        Rule(23_948_817, "Purchase, new business", halden, "PURCHASE", campaigns=every),
        Rule(23_948_820, "Closed lost", halden, "OTHER", value_type="NO_VALUE"),
        Rule(
            23_948_830,
            "Thank-you page",
            halden,
            "LEAD",
            method="INSIGHT_TAG_URL_MATCH_RULES",
            campaigns=every,
        ),
        Rule(23_948_831, "Webinar sign-up 2025", halden, "SIGN_UP", enabled=False),
        Rule(31_550_201, "Lead", OTHER_ACCOUNT, "LEAD", campaigns=(415_770_009,)),
        Rule(31_550_202, "Purchase", OTHER_ACCOUNT, "PURCHASE", campaigns=(415_770_009,)),
    ]
    world = World()
    world.accounts = {
        halden: Account(halden, "Halden Systems EMEA", campaigns=campaigns),
        OTHER_ACCOUNT: Account(
            OTHER_ACCOUNT, "Tidewater Lines", "USD", (Campaign(415_770_009, "Freight managers, US"),)
        ),
    }
    world.rules = {rule.id: rule for rule in rules}
    world.add_token(SANDBOX_TOKEN, [halden])
    world.add_token(OTHER_TOKEN, [OTHER_ACCOUNT])
    world.grants[LEAD_TOKEN] = Grant(frozenset({halden}), lead_sync=True)
    return world
