"""Signing in: what differs from allauth's ways."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):
    """Nobody signs up by themselves: people are invited, or the first-run page makes the owner."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False
