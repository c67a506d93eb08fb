"""A strict LinkedIn of our own: what the real endpoint was measured to answer, and faults on demand.

Standard library only, no Django and no database: it runs beside the product, inside a test or alone.


    with running_sandbox() as sandbox:        # capi.sandbox.running
        client = LinkedInClient(sandbox.url, "202609")

`world` is what LinkedIn knows (accounts, rules, tokens, versions); `schema` the structural check; `gateway`,
`events` and `reading` the answers under /rest; `faults` what is made to go wrong; `ledger` what was received;
`console` the control API under /_control; `app` the WSGI application of all that; `server` its HTTP server.
`control` is the client of the control API and `running` serves one from a thread: only these need requests.
"""

from capi.sandbox.world import OTHER_ACCOUNT, OTHER_TOKEN, SANDBOX_ACCOUNT, SANDBOX_TOKEN

DEFAULT_PORT = 8009

__all__ = ["DEFAULT_PORT", "OTHER_ACCOUNT", "OTHER_TOKEN", "SANDBOX_ACCOUNT", "SANDBOX_TOKEN"]
