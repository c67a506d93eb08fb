"""How a person's e-mail address and names become the SHA-256 digests that LinkedIn compares."""

from __future__ import annotations

import hashlib
import re
import unicodedata

_DIGEST = re.compile(r"[0-9a-f]{64}")
# Spaces of every kind, control characters and what cannot be seen (zero-width, bidi marks, lone surrogates).
_UNSEEN = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf", "Cs"})


def email(address: str) -> str:
    """Return 64 lower-case hex digits, or "" if nothing is left to hash.

    LinkedIn's rule is: no whitespace, lower case, unsalted. It names no Gmail or plus-tag rule, so dots and
    tags stay. An address that is a digest already is passed on, since hashing it twice would never match.
    """
    plain = _canonical("".join(c for c in address if unicodedata.category(c) not in _UNSEEN))
    return plain if _DIGEST.fullmatch(plain) else _sha256(plain)


def name(text: str) -> str:
    """Return the digest for hashedFirstName or hashedLastName, or "" if the name has no letter or digit.

    LinkedIn's rule is: lower case, no spaces or punctuation, UTF-8. Accents stay.
    """
    return _sha256(_canonical("".join(c for c in text if unicodedata.category(c)[0] in "LMN")))


def _canonical(text: str) -> str:
    # NFC both before and after: some letters only combine once they are in lower case.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest() if text else ""
