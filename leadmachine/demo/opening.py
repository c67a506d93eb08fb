"""The opening scene: a few people whose recent days show every state that a conversion can be in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from crm.models import Deal, Lead, User
from leadmachine.demo import cast
from leadmachine.demo.world import Fact, World

FORM, AD, WEB, OUTBOUND, WEBINAR = (
    next(door for door in cast.DOORS if door.source == source)
    for source in ("LinkedIn form", "LinkedIn ad", "Web form", "Outbound", "Webinar")
)


LEADS, DEALS, SAYINGS = 16, 5, 4


def play(world: World) -> None:
    """Add the guests with their stories: LEADS of them, with DEALS and SAYINGS (notes, calls …) among them."""
    sara, jonas, priya, emilia = world.users
    scenes: tuple[Callable[[], object], ...] = (
        lambda: _qualified_just_now(world, jonas),
        lambda: _won_just_now(world, jonas),
        lambda: _came_just_now(world, priya),
        lambda: _deal_just_now(world, priya),
        lambda: _won_at_second_try(world, emilia),
        lambda: _linkedin_has_a_fault(world, emilia),
        lambda: _nothing_to_go_by(world, jonas),
        lambda: _win_undone(world, jonas),
        lambda: _perhaps_twice(world, emilia),
        lambda: _given_up(world, priya),
        lambda: _refused(world, emilia),
        lambda: _consent_withdrawn(world, jonas),
        lambda: _held_too_long(world, priya),
        lambda: _held(world, emilia),
        lambda: _one_of_us(world, sara),
        lambda: _only_a_test(world, sara),
    )
    for scene in scenes:
        scene()


def _qualified_just_now(world: World, owner: User) -> None:
    lead = _guest(world, 0, _ago(world, days=16), owner, FORM)
    world.move_lead(lead, "contacted", _ago(world, days=15), owner)
    world.say(lead, None, _ago(world, days=15), owner)
    world.move_lead(lead, "qualified", _ago(world, minutes=3), owner)


def _won_just_now(world: World, owner: User) -> None:
    lead = _guest(world, 1, _ago(world, days=41), owner, WEB)
    deal = _deal_in_negotiation(
        world, lead, "Ravensworth cold-store retrofit", 48_000, _ago(world, days=33), owner
    )
    at = _ago(world, seconds=10)
    world.move_deal(deal, "closed-won", at, owner)
    world.move_lead(lead, "won", at, owner)


def _came_just_now(world: World, owner: User) -> None:
    _guest(world, 2, _ago(world, minutes=2), owner, AD)


def _deal_just_now(world: World, owner: User) -> None:
    lead = _guest(world, 3, _ago(world, days=6), owner, WEB)
    world.move_lead(lead, "contacted", _ago(world, days=5), owner)
    world.move_lead(lead, "qualified", _ago(world, hours=20), owner)
    _open_deal(world, lead, "Depot network 2027", 58_300, _ago(world, minutes=6), owner)


def _won_at_second_try(world: World, owner: User) -> None:
    lead = _guest(world, 4, _ago(world, days=52), owner, FORM)
    deal = _deal_in_negotiation(world, lead, "Cold chain control tower", 62_000, _ago(world, days=44), owner)
    at = _ago(world, hours=3)
    world.move_deal(deal, "closed-won", at, owner)
    _story(world, "second_try")
    world.move_lead(lead, "won", at, owner)


def _linkedin_has_a_fault(world: World, owner: User) -> None:
    _guest(world, 5, _ago(world, hours=8), owner, AD)
    _story(world, "faulty")


def _nothing_to_go_by(world: World, owner: User) -> None:
    lead = _guest(world, 6, _ago(world, days=9), owner, OUTBOUND, with_email=False)
    world.move_lead(lead, "contacted", _ago(world, days=7), owner)
    world.move_lead(lead, "qualified", _ago(world, hours=5), owner)


def _win_undone(world: World, owner: User) -> None:
    lead = _guest(world, 7, _ago(world, days=36), owner, WEB)
    deal = _deal_in_negotiation(world, lead, "Parcel sorter upgrade", 54_200, _ago(world, days=30), owner)
    at = _ago(world, hours=26)
    world.move_deal(deal, "closed-won", at, owner)
    _story(world, "undone")
    world.move_deal(deal, "negotiation", at + timedelta(seconds=40), owner)
    deal.next_step, deal.next_step_on = "Sign-off by the board", (world.now + timedelta(days=3)).date()


def _perhaps_twice(world: World, owner: User) -> None:
    lead = _guest(world, 8, _ago(world, days=12), owner, AD)
    world.move_lead(lead, "contacted", _ago(world, days=11), owner)
    world.move_lead(lead, "qualified", _ago(world, days=2), owner)
    _story(world, "perhaps_twice")


def _given_up(world: World, owner: User) -> None:
    lead = _guest(world, 9, _ago(world, days=20), owner, FORM)
    world.move_lead(lead, "contacted", _ago(world, days=18), owner)
    world.move_lead(lead, "qualified", _ago(world, days=12), owner)
    _open_deal(world, lead, "Cold room slotting", 27_500, _ago(world, days=8), owner)
    _story(world, "given_up")


def _refused(world: World, owner: User) -> None:
    _guest(world, 10, _ago(world, days=4), owner, WEB)
    _story(world, "refused")


def _consent_withdrawn(world: World, owner: User) -> None:
    lead = _guest(world, 11, _ago(world, days=5), owner, WEB)
    _story(world, "withdrawn")
    lead.consent, lead.consent_source, lead.consent_at = (
        "denied",
        "E-mail",
        lead.occurred_at + timedelta(seconds=50),
    )


def _held_too_long(world: World, owner: User) -> None:
    """The rule for webinars has been held since before; what happened then can no longer be sent."""
    lead = _guest(world, 12, _ago(world, days=98), owner, WEBINAR)
    world.move_lead(lead, "contacted", _ago(world, days=96), owner)


def _held(world: World, owner: User) -> None:
    lead = _guest(world, 13, _ago(world, days=83), owner, WEBINAR)
    world.move_lead(lead, "contacted", _ago(world, days=81), owner)


def _one_of_us(world: World, owner: User) -> None:
    at = _ago(world, days=3)
    world.lead("Mira", "Holt", None, WEB, at, owner, domain=cast.DEMO_DOMAIN, title="Trying the form")


def _only_a_test(world: World, owner: User) -> None:
    world.lead("Test", "Person", None, WEB, _ago(world, days=2, hours=3), owner, is_test=True)


def _guest(
    world: World, number: int, at: datetime, owner: User, door: cast.Door, *, with_email: bool = True
) -> Lead:
    guest = cast.GUESTS[number]
    firm = next(firm for firm in cast.FIRMS if firm.name == guest.firm)
    lead = world.lead(
        guest.first_name, guest.last_name, firm, door, at, owner, with_email=with_email, title=guest.title
    )
    # Whether these are sent must not depend on chance.
    lead.consent, lead.consent_source, lead.consent_at = "granted", door.consent_source, at
    if not with_email:
        lead.li_fat_id, lead.li_fat_id_captured_at = "", None
    return lead


def _open_deal(world: World, lead: Lead, title: str, amount: int, at: datetime, by: User) -> Deal:
    closes = (world.now + timedelta(days=30)).date()
    return world.deal(lead, title, Decimal(amount), at, by, expected_close=closes)


def _deal_in_negotiation(world: World, lead: Lead, title: str, amount: int, at: datetime, by: User) -> Deal:
    world.move_lead(lead, "contacted", lead.occurred_at + timedelta(hours=4), by)
    world.move_lead(lead, "qualified", at - timedelta(hours=2), by)
    deal = _open_deal(world, lead, title, amount, at, by)
    world.move_deal(deal, "discovery", at + timedelta(days=4), by)
    world.move_deal(deal, "proposal", at + timedelta(days=11), by)
    world.move_lead(lead, "proposal", at + timedelta(days=11), by)
    world.say(lead, deal, at + timedelta(days=12), by)
    world.move_deal(deal, "negotiation", at + timedelta(days=21), by)
    return deal


def _story(world: World, story: str) -> None:
    """Say what came of the last fact."""
    last = world.facts[-1]
    world.facts[-1] = Fact(last.event, last.lead, last.at, last.deal, last.occurrence, story)


def _ago(world: World, **span: float) -> datetime:
    return world.now - timedelta(**span)
