"""Sample data: a company that looks real, connected to the built-in sandbox, at any scale; and its removal.

The demo's password is random for each installation. It is kept in DATA_DIR beside the other keys (mode 600), so
that `up` can print it at every start; nobody can know it who cannot read the database anyway.
"""

from __future__ import annotations

from leadmachine.demo.clearing import Cleared, clear
from leadmachine.demo.loading import Login, Plan, load_once, login, seed

__all__ = ["Cleared", "Login", "Plan", "clear", "load_once", "login", "seed"]
