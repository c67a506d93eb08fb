"""What the tests of whole installations share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import connection as database


@pytest.fixture
def server(db: None) -> Iterator[Callable[[str], str]]:
    """Makes empty databases on the tests' PostgreSQL; gives their addresses."""
    import psycopg

    where = database.settings_dict
    made: list[str] = []
    with psycopg.connect(host=where["HOST"], user=where["USER"], dbname="postgres", autocommit=True) as admin:

        def make(name: str) -> str:
            admin.execute(f'CREATE DATABASE "{name}"')
            made.append(name)
            return f"postgres://{where['USER']}@{str(where['HOST']).replace('/', '%2F')}/{name}"

        yield make
        for name in made:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
