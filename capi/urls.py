"""Addresses of the LinkedIn area, below /linkedin/."""

from __future__ import annotations

from django.urls import path

from capi.views import backfill, events, health, lead_forms, rules, setup

urlpatterns = [
    path("", setup.setup, name="linkedin_setup"),
    path("tests/", setup.last_tests, name="linkedin_tests"),
    path("token/", setup.token, name="linkedin_token"),
    path("token/delete/", setup.delete_token, name="linkedin_token_delete"),
    path("pause/", setup.pause, name="linkedin_pause"),
    path("release/", setup.release, name="linkedin_release"),
    path("rules/", setup.add_rule, name="linkedin_rule_add"),
    path("rules/pick/", rules.pick, name="linkedin_pick"),
    path("rules/<uuid:pk>/", rules.edit_rule, name="linkedin_rule"),
    path("rules/<uuid:pk>/switch/", rules.switch_rule, name="linkedin_rule_switch"),
    path("rules/<uuid:pk>/release/", rules.release_rule, name="linkedin_rule_release"),
    path("rules/<uuid:pk>/delete/", rules.delete_rule, name="linkedin_rule_delete"),
    path("rules/<uuid:pk>/test/", rules.test_rule, name="linkedin_rule_test"),
    path("rules/<uuid:pk>/backfill/", backfill.backfill_rule, name="linkedin_rule_backfill"),
    path("rules/<uuid:pk>/preview/", rules.preview_rule, name="linkedin_preview"),
    path("health/", health.health, name="linkedin_health"),
    path("forms/", lead_forms.lead_forms, name="linkedin_forms"),
    path("forms/mapping/", lead_forms.mapping, name="linkedin_forms_mapping"),
    path("forms/subscribe/", lead_forms.subscribe, name="linkedin_forms_subscribe"),
    path("forms/delete/", lead_forms.delete, name="linkedin_forms_delete"),
    path("forms/hook/<str:key>/", lead_forms.hook, name="linkedin_forms_hook"),
    path("events/", events.events, name="linkedin_events"),
    path("events/resend/", events.resend_all, name="linkedin_resend_all"),
    path("events/<uuid:pk>/", events.event, name="linkedin_event"),
    path("events/<uuid:pk>/resend/", events.resend, name="linkedin_resend"),
    path("events/<uuid:pk>/send-now/", events.send_now, name="linkedin_send_now"),
    path("events/<uuid:pk>/cancel/", events.cancel, name="linkedin_cancel"),
]
