"""Callers of the API, for every test here."""

from tests.crm.api.caller import api, caller_of, session_of

__all__ = ["api", "caller_of", "session_of"]
