"""Finds records by groups of three letters, on PostgreSQL: a table of hashes that triggers keep, and what fills it.

SQLite gets the table, too, and leaves it empty: it looks at every row (crm.search).
"""

from __future__ import annotations

from typing import Any

from django.db import migrations, models

import crm.models.search

LEAD, ORGANIZATION, DEAL = 1, 2, 3
# Table, kind, the record that is found, the text, and the columns whose change makes it another one.
SOURCES = (
    ("crm_lead", LEAD, "id", "{row}first_name || ' ' || {row}last_name", "first_name, last_name"),
    ("crm_leademail", LEAD, "lead_id", "{row}address_key", "address_key, lead_id"),
    ("crm_leadphone", LEAD, "lead_id", "{row}digits", "digits, lead_id"),
    ("crm_organization", ORGANIZATION, "id", "{row}name || ' ' || {row}domain", "name, domain"),
    ("crm_deal", DEAL, "id", "{row}title", "title"),
)

# Without case, without accents, and what stands between words is a blank. lower() alone knows ASCII in a database of
# locale C, so the capitals with accents are named here, too.
FOLD = """
CREATE FUNCTION crm_search_fold(text text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT btrim(translate(lower(text),
    'ÁÀÂÄÃÅĀĄáàâäãåāąÉÈÊËĒĘĚéèêëēęěÍÌÎÏĪİíìîïīıÓÒÔÖÕØŌŐóòôöõøōőÚÙÛÜŪŮŰúùûüūůűÇĆČçćčÑŃŇñńňŚŠśšŹŻŽźżžŁłŘřŤťĎďĞğÝýŸÿß'
      || '.,;:@&+-_/()"''',
    'aaaaaaaaaaaaaaaaeeeeeeeeeeeeeeiiiiiiiiiiiioooooooooooooooouuuuuuuuuuuuuuccccccnnnnnnsssszzzzzzllrrttddggyyyys'
      || repeat(' ', 14)))
$$
"""
# Hashes by which one company's groups of letters cannot be told from, nor mistaken for, another's.
HASHES = """
CREATE FUNCTION crm_search_hashes(company uuid, kind int, padded text)
RETURNS int[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  seed bigint := uuid_hash_extended(company, kind);
BEGIN
  RETURN ARRAY(
    SELECT (hashtextextended(substr(padded, i, 3), seed) & 2147483647)::int FROM generate_series(1, length(padded) - 2) i
  );
END $$
"""
# Two blanks before each word, so that its beginning is a group of its own.
GRAMS = """
CREATE FUNCTION crm_search_grams(company uuid, kind int, text text)
RETURNS int[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT crm_search_hashes(company, kind, '  ' || replace(crm_search_fold(text), ' ', '  '))
$$
"""
# What an entry must have to be found by a word: anywhere in it, but one or two letters only where a word begins.
WANTED = """
CREATE FUNCTION crm_search_wanted(company uuid, kind int, word text)
RETURNS int[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT crm_search_hashes(company, kind,
    CASE WHEN length(folded) < 3 THEN right('  ' || folded, 3) ELSE replace(folded, ' ', '  ') END)
  FROM crm_search_fold(word) folded
$$
"""
# Two neighbouring groups of a word, by their place in it: a slip leaves some pair of neighbours whole.
PAIR = """
CREATE FUNCTION crm_search_pair(company uuid, kind int, word text, place int)
RETURNS int[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT crm_search_hashes(company, kind, substr('  ' || crm_search_fold(word) || ' ', place, 4))
$$
"""
# How many of some groups an entry has.
SHARED = """
CREATE FUNCTION crm_search_shared(grams int[], wanted int[])
RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
  RETURN (SELECT count(*) FROM unnest(wanted) gram WHERE gram = ANY (grams));
END $$
"""
FORGET = """
CREATE FUNCTION crm_search_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM crm_searchentry WHERE source IN (SELECT id FROM gone);
  RETURN NULL;
END $$
"""
FUNCTIONS = (FOLD, HASHES, GRAMS, WANTED, PAIR, SHARED, FORGET)

# Rows come in by the thousand, so they are taken all at once; they change one by one.
INSERTED = """
CREATE FUNCTION {table}_search_add() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO crm_searchentry (source, record, grams)
  SELECT id, {record}, crm_search_grams(company_id, {kind}, {text}) FROM added;
  RETURN NULL;
END $$;
CREATE TRIGGER search_add AFTER INSERT ON {table}
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {table}_search_add()
"""
CHANGED = """
CREATE FUNCTION {table}_search_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE crm_searchentry SET record = NEW.{record}, grams = crm_search_grams(NEW.company_id, {kind}, {new_text})
  WHERE source = NEW.id;
  RETURN NULL;
END $$;
CREATE TRIGGER search_change AFTER UPDATE OF {columns} ON {table}
FOR EACH ROW WHEN (({old_columns}) IS DISTINCT FROM ({new_columns})) EXECUTE FUNCTION {table}_search_change()
"""
DELETED = """
CREATE TRIGGER search_forget AFTER DELETE ON {table}
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION crm_search_forget()
"""
FILLED = """
INSERT INTO crm_searchentry (source, record, grams)
SELECT id, {record}, crm_search_grams(company_id, {kind}, {text}) FROM {table}
"""
UNMADE = """
DROP TRIGGER search_add ON {table};
DROP TRIGGER search_change ON {table};
DROP TRIGGER search_forget ON {table};
DROP FUNCTION {table}_search_add();
DROP FUNCTION {table}_search_change()
"""


def make(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    # A million texts take longer than a page may; until this transaction ends.
    schema_editor.execute("SET LOCAL statement_timeout = 0")
    for statement in FUNCTIONS:
        schema_editor.execute(statement)
    for source in SOURCES:
        words = _words(*source)
        for template in (INSERTED, CHANGED, DELETED, FILLED):
            schema_editor.execute(template.format_map(words))
    # Some groups are in every second name: the planner has to know which.
    schema_editor.execute("ALTER TABLE crm_searchentry ALTER grams SET STATISTICS 1000")
    schema_editor.execute("CREATE INDEX search_by_grams ON crm_searchentry USING gin (grams)")


def unmake(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    for source in SOURCES:
        schema_editor.execute(UNMADE.format_map(_words(*source)))
    for name in ("forget()", "shared(int[], int[])", "pair(uuid, int, text, int)"):
        schema_editor.execute(f"DROP FUNCTION crm_search_{name}")
    for name in ("wanted(uuid, int, text)", "grams(uuid, int, text)", "hashes(uuid, int, text)", "fold(text)"):
        schema_editor.execute(f"DROP FUNCTION crm_search_{name}")


def _words(table: str, kind: int, record: str, text: str, columns: str) -> dict[str, str]:
    names = columns.split(", ")
    return {
        "table": table,
        "kind": str(kind),
        "record": record,
        "text": text.format(row=""),
        "new_text": text.format(row="NEW."),
        "columns": columns,
        "old_columns": ", ".join(f"OLD.{name}" for name in names),
        "new_columns": ", ".join(f"NEW.{name}" for name in names),
    }


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0011_custom_fields"),
    ]

    operations = [
        migrations.CreateModel(
            name="SearchEntry",
            fields=[
                (
                    "source",
                    models.UUIDField(
                        help_text="The row that the text is from.", primary_key=True, serialize=False
                    ),
                ),
                (
                    "record",
                    models.UUIDField(
                        db_index=True, help_text="The lead, organization or deal that is found by it."
                    ),
                ),
                ("grams", crm.models.search.Grams()),
            ],
            options={
                "verbose_name_plural": "search entries",
            },
        ),
        migrations.RunPython(make, unmake, elidable=False),
    ]
