"""One offence against each rule in rules.yml, on the line that names it. Never imported."""

import requests
from django.db.models.signals import post_save  # post-save-tells-too-little

with scopes_disabled():  # tenancy-left-open
    pass
signals.deal_won.send(sender=None)  # signal-sent-outside-actions
deal_won.send(sender=None)  # signal-sent-outside-actions
deal_won.send_robust(sender=None)  # signal-that-swallows
deliver.apply_async(args, countdown=60)  # wait-in-the-broker
self.retry(exc=error)  # wait-in-the-broker
requests.post("https://example.com", json={})  # request-without-limits
mark_safe(f"<b>{name}</b>")  # markup-from-text
cursor.execute(f"SELECT {column} FROM lead")  # sql-from-text

with company_scope(company):
    deliver.apply_async(args)
client.send(batch)
cursor.execute("SELECT %s", [column])
mark_safe("<b>")
