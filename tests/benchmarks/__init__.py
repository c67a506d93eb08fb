"""`make bench`: how fast the pages, the API and the delivery are, beside bare ways of doing the same in the same run.

    stage     the throw-away installation: PostgreSQL, broker, sandbox, and the programs that `up` runs
    load      concurrent clients over HTTP, and figures from what they saw
    pages, rest, delivery   what is measured
    bare      a Django project with next to nothing in it, on the same tables
    ways      delivering without our guarantees: event by event, and in bare batches
    table     prints the result

Nothing here asserts a time: figures are to be read, and to be compared within one run.
"""
