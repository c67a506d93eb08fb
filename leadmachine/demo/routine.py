"""The ordinary leads and deals of the sample company: who comes in by which door, and how far they get."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from crm.models import Deal, Lead, User
from leadmachine.demo import cast
from leadmachine.demo.world import World

DAYS = 183
ROAD = ("discovery", "proposal", "negotiation")


@dataclass(frozen=True)
class Era:
    """A part of the half year, from 0 (its start) to 1 (now): in which of so many parts leads come in."""

    number: int = 0
    parts: int = 1

    def moment(self, world: World) -> datetime:
        # More of them lately: the company grows.
        past = 1 - (self.number + world.rng.random()) / self.parts
        return world.now - timedelta(days=DAYS * past**1.3)


def live(world: World, leads: int, deals: int, activities: int, era: Era) -> None:
    """Add so many leads, deals among them, and so many notes, calls, meetings and e-mails."""
    people = [_somebody(world, era) for _ in range(leads)]
    if not people:
        return
    world.rng.shuffle(people)
    # Those with a deal are the first of the shuffled list; the others get as far as they get.
    buyers = people[: max(1, min(deals, leads * 3 // 5))] if deals else []
    for lead in people[len(buyers) :]:
        _work(world, lead)
    for number in range(deals):
        _sell(world, buyers[number % len(buyers)])
    for _ in range(activities):
        _talk(world, world.rng.choice(people))


def _somebody(world: World, era: Era) -> Lead:
    rng = world.rng
    firm = _firm(world) if rng.random() < 0.95 else None
    country = firm.country if firm else "DE"
    door = rng.choices(cast.DOORS, weights=[door.share for door in cast.DOORS])[0]
    at = world.later(era.moment(world), 0, 1)
    at = min(at, world.now - timedelta(minutes=rng.uniform(40, 600)))
    return world.lead(
        rng.choice(cast.FIRST_NAMES[country]),
        rng.choice(cast.LAST_NAMES[country]),
        firm,
        door,
        at,
        rng.choice(world.users) if rng.random() < 0.96 else None,
        with_email=rng.random() < (0.8 if door.source == "Outbound" else 0.985),
        title=rng.choice(cast.TITLES),
    )


def _firm(world: World) -> cast.Firm:
    """One of the well-known firms; when there are many leads, mostly one of very many others."""
    rng = world.rng
    if len(world.firms) < len(cast.FIRMS) or rng.random() < 0.15:
        return rng.choice(cast.FIRMS)
    place, trade, number = rng.choice(cast.PLACES), rng.choice(cast.TRADES), rng.randrange(1, 12)
    name = f"{place} {trade}" if number == 1 else f"{place} {trade} {number}"
    domain = f"{place}-{trade}-{number}.example".lower().replace(" ", "-").replace("&", "and")
    return cast.Firm(name, domain.encode("idna").decode(), cast.PLACE_COUNTRY[place])


def _work(world: World, lead: Lead) -> None:
    """Contacted, perhaps qualified, perhaps lost; whatever time allows."""
    rng = world.rng
    steps = [("contacted", 2, 72)]
    if rng.random() < 0.3:
        steps.append(("qualified", 24, 300))
    if rng.random() < 0.3:
        steps.append(("lost", 100, 900))
    if rng.random() < 0.08:
        return
    at = lead.occurred_at
    for key, low, high in steps:
        at = world.later(at, low, high)
        if at > world.now - timedelta(minutes=40):
            return
        world.move_lead(lead, key, at, lead.owner or rng.choice(world.users))


def _sell(world: World, lead: Lead) -> None:
    """Qualify the lead and open a deal, then move it on as far as time and luck allow."""
    rng = world.rng
    by = lead.owner or rng.choice(world.users)
    at = _qualify(world, lead, by)
    deal = world.deal(
        lead, _title(world, lead), _amount(world), at, by, expected_close=(at + timedelta(days=75)).date()
    )
    if rng.random() < 0.2:
        world.involve_colleague(deal, rng.choice(cast.ROLES))
    luck = rng.random()
    for key in ROAD[: 3 if luck < 0.45 else rng.randrange(0, 4)]:
        at = world.later(at, 48, 400)
        if at > world.now - timedelta(minutes=40):
            break
        world.move_deal(deal, key, at, by)
        if key == "proposal" and lead.status.key == "qualified":
            world.move_lead(lead, "proposal", at, by)
    else:
        _close(world, deal, luck, at, by)
    if deal.status == "open":
        _plan(world, deal)


def _qualify(world: World, lead: Lead, by: User) -> datetime:
    """When the lead was ready for a deal; in a young life everything happens within the hours there are."""
    latest = world.now - timedelta(minutes=50)
    at = lead.last_touch_at
    for key, low, high in (("contacted", 2, 72), ("qualified", 12, 200)):
        if world.statuses[key].position <= lead.status.position:
            continue
        at = min(world.later(at, low, high), at + (latest - at) / 2)
        world.move_lead(lead, key, at, by)
    return at + min(timedelta(minutes=world.rng.uniform(5, 600)), (latest - at) / 2)


def _close(world: World, deal: Deal, luck: float, at: datetime, by: User) -> None:
    at = world.later(at, 48, 500)
    lead = deal.lead
    if lead is None or at > world.now - timedelta(minutes=40):
        return
    if luck < 0.45:
        world.move_deal(deal, "closed-won", at, by)
    elif luck < 0.75:
        world.move_deal(deal, "closed-lost", at, by, world.rng.choice(cast.LOST_REASONS))
    else:
        return
    deal.expected_close = at.date()
    if lead.status.key not in ("won", "lost"):
        world.move_lead(lead, "won" if deal.status == "won" else "lost", at, by)


def _plan(world: World, deal: Deal) -> None:
    rng, today = world.rng, world.now.date()
    deal.expected_close = today + timedelta(days=rng.randrange(-4, 90))
    if rng.random() < 0.75:
        deal.next_step = rng.choice(cast.NEXT_STEPS)
        deal.next_step_on = today + timedelta(days=rng.randrange(-2, 14))


def _talk(world: World, lead: Lead) -> None:
    span = world.now - lead.occurred_at
    # People talk most in the first weeks.
    at = lead.occurred_at + span * world.rng.random() ** 1.8
    world.say(
        lead, None, min(at, world.now - timedelta(minutes=40)), lead.owner or world.rng.choice(world.users)
    )


def _title(world: World, lead: Lead) -> str:
    offer = world.rng.choice(cast.OFFERS)
    return (
        f"{offer} for {lead.organization.name}"[:160]
        if lead.organization
        else f"{offer} for {lead.full_name}"
    )


def _amount(world: World) -> Decimal:
    """Mostly between 6,000 and 60,000, a few far above."""
    return Decimal(round(6000 * 1.9 ** (world.rng.random() * 3.6 + (world.rng.random() < 0.08) * 2), -2))
