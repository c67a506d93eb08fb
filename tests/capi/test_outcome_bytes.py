"""100,000 broken answers, the same at every run: each has a meaning, and none but a 2xx counts as accepted."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path

from capi.outcome import Answer, classify

INPUTS = 100_000
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
VECTORS = Path(__file__).parent / "vectors" / "answers.json"
STATUSES = [
    200,
    201,
    202,
    207,
    204,
    300,
    302,
    400,
    401,
    403,
    404,
    408,
    409,
    413,
    422,
    426,
    429,
    500,
    503,
    599,
    99,
    0,
]


def _seeds() -> list[bytes]:
    """Bodies as LinkedIn sends them, and pieces of them."""
    texts: list[bytes] = [b"", b"{}", b"[]", b"null", b'{"elements":[{"status":201},{"status":422}]}']

    def gather(value: object) -> None:
        if isinstance(value, str) and len(value) > 1:
            texts.append(value[:400].encode())
        elif isinstance(value, dict | list):
            texts.append(json.dumps(value)[:400].encode())
            for part in value.values() if isinstance(value, dict) else value:
                gather(part)

    gather(json.loads(VECTORS.read_text()))
    return texts


def test_no_bytes_crash_the_classifier_or_count_as_accepted() -> None:
    chance, seeds, accepted = random.Random(114), _seeds(), 0
    assert len(seeds) > 50
    for number in range(INPUTS):
        body = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(0, 6)):
            place = chance.randint(0, len(body))
            match chance.randint(0, 3):
                case 0:
                    body[place:place] = chance.randbytes(chance.randint(1, 8))
                case 1:
                    del body[place : place + chance.randint(1, 20)]
                case 2:
                    body[place:place] = chance.choice(seeds)[:60]
                case _ if place < len(body):
                    body[place] = chance.randrange(256)
        status, rules = chance.choice(STATUSES), [str(n % 3) for n in range(chance.randint(0, 5))]
        found = classify(Answer(status, bytes(body).decode("utf-8", "replace"), {}, 1), rules, NOW)
        kinds = [verdict.kind for verdict in found.verdicts]
        assert len(kinds) == len(rules), number
        assert "accepted" not in kinds or 200 <= status < 300, number
        accepted += "accepted" in kinds
    assert accepted, "Some answers are good ones."
