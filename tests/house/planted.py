"""One offence against each rule in rules.yml, on the line that names it. Never imported."""

import requests
from django.db.models.signals import post_save  # post-save-tells-too-little

with scopes_disabled():  # tenancy-left-open
    pass
with every_company():  # tenancy-left-open
    pass
with sight.seeing(everything):  # tenancy-left-open
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

everybody = Lead._base_manager.filter(pk=pk)  # company-s-wall-walked-round
everybody = Lead.objects.raw("SELECT * FROM crm_lead")  # company-s-wall-walked-round
narrowed = Lead.objects.annotate(x=RawSQL("SELECT 1", []))  # sql-beside-the-scopes
lead = serializers.PrimaryKeyRelatedField(queryset=Lead.objects.all())  # foreign-id-taken-as-it-comes
lead = PrimaryKeyRelatedField(queryset=leads)  # foreign-id-taken-as-it-comes
fields = "__all__"  # foreign-id-taken-as-it-comes
page = csrf_exempt(page)  # request-without-its-token
mark_safe(lead.title)  # markup-that-nobody-wrote
mark_safe(name)  # markup-that-nobody-wrote
logger.info("Added %s", lead.email)  # person-or-secret-in-the-log
logger.warning(f"Signed in as {user.email}")  # person-or-secret-in-the-log
log.error("Refused %s", token)  # person-or-secret-in-the-log

mine = Lead.objects.filter(pk=pk)
lead = Key(Lead.objects, source="lead")
fields = ["title", "amount"]
logger.info("Added a lead: %s", lead.pk)
logger.warning("The token of company %s was refused.", company.pk)
