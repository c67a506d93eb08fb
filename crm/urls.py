"""The addresses of the CRM's pages."""

from __future__ import annotations

from django.urls import path

from crm.views.bulk import bulk_run, bulk_run_stop, bulk_run_undo, deals_bulk, leads_bulk
from crm.views.capture import capture, capture_script, capture_touch, capture_track
from crm.views.capture_form import capture_embed, capture_form, capture_theme
from crm.views.company import switch_company
from crm.views.deal import (
    deal_archive,
    deal_edit,
    deal_lose,
    deal_move,
    deal_new,
    deal_note,
    deal_page,
    deal_person_add,
    deal_reopen,
    deal_win,
)
from crm.views.deals import deals
from crm.views.exports import deals_export, leads_export, organizations_export
from crm.views.feed import calendar_feed
from crm.views.files import deal_files, file_delete, file_download, lead_files, organization_files
from crm.views.home import home
from crm.views.imports import (
    import_check,
    import_failed,
    import_page,
    import_read,
    import_start,
    import_stop,
    import_undo,
    import_upload,
    imports,
)
from crm.views.install import manifest, offline, service_worker
from crm.views.lead import (
    lead_archive,
    lead_consent,
    lead_edit,
    lead_new,
    lead_note,
    lead_owner,
    lead_page,
    lead_status,
)
from crm.views.leads import leads
from crm.views.merge import lead_merge, lead_unmerge
from crm.views.note import note, note_delete
from crm.views.notifications import notification_open, notifications, notifications_read
from crm.views.organizations import organization, organization_edit, organization_new, organizations
from crm.views.privacy import lead_erase, lead_export
from crm.views.recycle_bin import recycle_bin
from crm.views.reports.page import report
from crm.views.saved_views import view_delete, view_edit, view_new, view_save
from crm.views.search import palette, search
from crm.views.settings.audit import audit_entries, audit_export
from crm.views.settings.automations import (
    automation_fallback,
    automation_follow_up,
    automation_rule,
    automation_rule_add,
    automation_spam,
    automation_stage,
    automation_stage_add,
    automations,
)
from crm.views.settings.company import company_settings
from crm.views.settings.fields import (
    custom_field,
    custom_field_delete,
    custom_fields,
    custom_fields_order,
)
from crm.views.settings.keys import api_key_revoke, api_key_rotate, api_keys
from crm.views.settings.page import settings_home
from crm.views.settings.privacy import privacy, privacy_retention
from crm.views.settings.shelves import PIPELINES, STAGES, STATUSES, TAGS, TYPES
from crm.views.settings.team import (
    ask_everyone,
    invitation,
    invitation_resend,
    invitation_revoke,
    invitation_role,
    member_deactivate,
    member_reactivate,
    member_role,
    team,
)
from crm.views.settings.web_forms import (
    web_form,
    web_form_add,
    web_form_end,
    web_form_try,
    web_forms,
)
from crm.views.settings.webhooks import (
    webhook,
    webhook_delete,
    webhook_message,
    webhook_message_replay,
    webhook_replay,
    webhook_rotate,
    webhook_switch,
    webhook_test,
    webhooks,
)
from crm.views.settings.words import (
    pipeline_stages,
    pipeline_stages_order,
    word_change,
    word_delete,
    words,
    words_order,
)
from crm.views.settings.you import (
    feed_end,
    feed_make,
    session_end,
    sessions_end,
    set_digest,
    set_language,
    your_account,
)
from crm.views.setup import setup
from crm.views.sign_in_with import service_disconnect
from crm.views.task import (
    task_delete,
    task_done,
    task_new,
    task_page,
    task_reopen,
    task_step,
    task_step_add,
)
from crm.views.tasks import tasks, tasks_calendar

urlpatterns = [
    path("", home, name="home"),
    path("manifest.webmanifest", manifest, name="manifest"),
    path("offline/", offline, name="offline"),
    path("service-worker.js", service_worker, name="service_worker"),
    path("setup/", setup, name="setup"),
    path("company/", switch_company, name="switch_company"),
    path("settings/", settings_home, name="settings"),
    path("settings/company/", company_settings, name="settings_company"),
    path("settings/team/", team, name="settings_team"),
    path("settings/team/second-step/", ask_everyone, name="settings_second_step"),
    path("settings/team/<uuid:pk>/role/", member_role, name="settings_member_role"),
    path("settings/team/<uuid:pk>/leave/", member_deactivate, name="settings_member_deactivate"),
    path("settings/team/<uuid:pk>/return/", member_reactivate, name="settings_member_reactivate"),
    path("settings/invitations/<uuid:pk>/role/", invitation_role, name="settings_invitation_role"),
    path("settings/invitations/<uuid:pk>/resend/", invitation_resend, name="settings_invitation_resend"),
    path("settings/invitations/<uuid:pk>/revoke/", invitation_revoke, name="settings_invitation_revoke"),
    path("invitations/<str:token>/", invitation, name="invitation"),
    path("settings/you/", your_account, name="settings_you"),
    path("settings/you/language/", set_language, name="settings_language"),
    path("settings/you/digest/", set_digest, name="settings_digest"),
    path("settings/you/calendar/", feed_make, name="settings_feed"),
    path("settings/you/calendar/end/", feed_end, name="settings_feed_end"),
    path("capture/<str:key>.js", capture_script, name="capture_script"),
    path("capture/<str:key>/", capture, name="capture"),
    path("capture/<str:key>/touch/", capture_touch, name="capture_touch"),
    path("capture/<str:key>/track/", capture_track, name="capture_track"),
    path("capture/<str:key>/form/", capture_form, name="capture_form"),
    path("capture/<str:key>/embed/", capture_embed, name="capture_embed"),
    path("capture/<str:key>/theme.css", capture_theme, name="capture_theme"),
    path("calendar/<str:token>.ics", calendar_feed, name="calendar_feed"),
    path("notifications/", notifications, name="notifications"),
    path("notifications/read/", notifications_read, name="notifications_read"),
    path("notifications/<uuid:pk>/open/", notification_open, name="notification_open"),
    path("settings/you/sessions/end/", sessions_end, name="settings_sessions_end"),
    path("settings/you/sessions/<int:pk>/end/", session_end, name="settings_session_end"),
    path(
        "settings/you/services/<int:pk>/disconnect/", service_disconnect, name="settings_service_disconnect"
    ),
    path("settings/automations/", automations, name="settings_automations"),
    path("settings/automations/fallback/", automation_fallback, name="settings_automation_fallback"),
    path("settings/automations/spam/", automation_spam, name="settings_automation_spam"),
    path("settings/automations/follow-up/", automation_follow_up, name="settings_automation_follow_up"),
    path("settings/automations/rules/", automation_rule_add, name="settings_automation_rule_add"),
    path("settings/automations/rules/<uuid:pk>/", automation_rule, name="settings_automation_rule"),
    path("settings/automations/stages/", automation_stage_add, name="settings_automation_stage_add"),
    path("settings/automations/stages/<uuid:pk>/", automation_stage, name="settings_automation_stage"),
    path("settings/forms/", web_forms, name="settings_forms"),
    path("settings/forms/new/", web_form_add, name="settings_forms_add"),
    path("settings/forms/<uuid:pk>/", web_form, name="settings_form"),
    path("settings/forms/<uuid:pk>/end/", web_form_end, name="settings_form_end"),
    path("settings/forms/<uuid:pk>/try/", web_form_try, name="settings_form_try"),
    path("settings/privacy/", privacy, name="settings_privacy"),
    path("settings/privacy/retention/", privacy_retention, name="settings_privacy_retention"),
    path("settings/statuses/", words, {"kind": STATUSES}, name="settings_statuses"),
    path("settings/statuses/order/", words_order, {"kind": STATUSES}, name="settings_statuses_order"),
    path(
        "settings/statuses/<uuid:pk>/change/", word_change, {"kind": STATUSES}, name="settings_status_change"
    ),
    path(
        "settings/statuses/<uuid:pk>/delete/", word_delete, {"kind": STATUSES}, name="settings_status_delete"
    ),
    path("settings/types/", words, {"kind": TYPES}, name="settings_types"),
    path("settings/types/order/", words_order, {"kind": TYPES}, name="settings_types_order"),
    path("settings/types/<uuid:pk>/change/", word_change, {"kind": TYPES}, name="settings_type_change"),
    path("settings/types/<uuid:pk>/delete/", word_delete, {"kind": TYPES}, name="settings_type_delete"),
    path("settings/tags/", words, {"kind": TAGS}, name="settings_tags"),
    path("settings/tags/<uuid:pk>/change/", word_change, {"kind": TAGS}, name="settings_tag_change"),
    path("settings/tags/<uuid:pk>/delete/", word_delete, {"kind": TAGS}, name="settings_tag_delete"),
    path("settings/pipelines/", words, {"kind": PIPELINES}, name="settings_pipelines"),
    path("settings/pipelines/order/", words_order, {"kind": PIPELINES}, name="settings_pipelines_order"),
    path("settings/pipelines/<uuid:pk>/", pipeline_stages, name="settings_pipeline"),
    path("settings/pipelines/<uuid:pk>/order/", pipeline_stages_order, name="settings_pipeline_stages_order"),
    path(
        "settings/pipelines/<uuid:pk>/change/",
        word_change,
        {"kind": PIPELINES},
        name="settings_pipeline_change",
    ),
    path(
        "settings/pipelines/<uuid:pk>/delete/",
        word_delete,
        {"kind": PIPELINES},
        name="settings_pipeline_delete",
    ),
    path("settings/stages/<uuid:pk>/change/", word_change, {"kind": STAGES}, name="settings_stage_change"),
    path("settings/stages/<uuid:pk>/delete/", word_delete, {"kind": STAGES}, name="settings_stage_delete"),
    path("settings/fields/", custom_fields, name="settings_fields"),
    path("settings/fields/order/", custom_fields_order, name="settings_fields_order"),
    path("settings/fields/<uuid:pk>/", custom_field, name="settings_field"),
    path("settings/fields/<uuid:pk>/delete/", custom_field_delete, name="settings_field_delete"),
    path("settings/webhooks/", webhooks, name="settings_webhooks"),
    path("settings/webhooks/<uuid:pk>/", webhook, name="settings_webhook"),
    path("settings/webhooks/<uuid:pk>/switch/", webhook_switch, name="settings_webhook_switch"),
    path("settings/webhooks/<uuid:pk>/secret/", webhook_rotate, name="settings_webhook_rotate"),
    path("settings/webhooks/<uuid:pk>/test/", webhook_test, name="settings_webhook_test"),
    path("settings/webhooks/<uuid:pk>/replay/", webhook_replay, name="settings_webhook_replay"),
    path("settings/webhooks/<uuid:pk>/delete/", webhook_delete, name="settings_webhook_delete"),
    path("settings/webhooks/messages/<uuid:pk>/", webhook_message, name="settings_webhook_message"),
    path(
        "settings/webhooks/messages/<uuid:pk>/replay/",
        webhook_message_replay,
        name="settings_webhook_message_replay",
    ),
    path("settings/keys/", api_keys, name="settings_keys"),
    path("settings/keys/<uuid:pk>/rotate/", api_key_rotate, name="settings_key_rotate"),
    path("settings/keys/<uuid:pk>/revoke/", api_key_revoke, name="settings_key_revoke"),
    path("settings/audit/", audit_entries, name="settings_audit"),
    path("settings/audit/export/", audit_export, name="settings_audit_export"),
    path("reports/", report, {"route": "reports"}, name="reports"),
    path("reports/win-rate/", report, {"route": "reports_sources"}, name="reports_sources"),
    path("reports/funnel/", report, {"route": "reports_funnel"}, name="reports_funnel"),
    path("reports/team/", report, {"route": "reports_team"}, name="reports_team"),
    path("search/", search, name="search"),
    path("search/palette/", palette, name="palette"),
    path("imports/", imports, name="imports"),
    path("imports/upload/", import_upload, name="import_upload"),
    path("imports/<uuid:pk>/", import_page, name="import_page"),
    path("imports/<uuid:pk>/read/", import_read, name="import_read"),
    path("imports/<uuid:pk>/check/", import_check, name="import_check"),
    path("imports/<uuid:pk>/start/", import_start, name="import_start"),
    path("imports/<uuid:pk>/stop/", import_stop, name="import_stop"),
    path("imports/<uuid:pk>/undo/", import_undo, name="import_undo"),
    path("imports/<uuid:pk>/failed/", import_failed, name="import_failed"),
    path("leads/", leads, name="leads"),
    path("leads/export/", leads_export, name="leads_export"),
    path("leads/bulk/", leads_bulk, name="leads_bulk"),
    path("bulk/<uuid:pk>/", bulk_run, name="bulk_run"),
    path("bulk/<uuid:pk>/stop/", bulk_run_stop, name="bulk_run_stop"),
    path("bulk/<uuid:pk>/undo/", bulk_run_undo, name="bulk_run_undo"),
    path("recycle-bin/", recycle_bin, name="recycle_bin"),
    path("views/new/", view_new, name="view_new"),
    path("views/<uuid:pk>/edit/", view_edit, name="view_edit"),
    path("views/<uuid:pk>/save/", view_save, name="view_save"),
    path("views/<uuid:pk>/delete/", view_delete, name="view_delete"),
    path("leads/new/", lead_new, name="lead_new"),
    path("leads/<uuid:pk>/", lead_page, name="lead"),
    path("leads/<uuid:pk>/edit/", lead_edit, name="lead_edit"),
    path("leads/<uuid:pk>/status/", lead_status, name="lead_status"),
    path("leads/<uuid:pk>/owner/", lead_owner, name="lead_owner"),
    path("leads/<uuid:pk>/note/", lead_note, name="lead_note"),
    path("leads/<uuid:pk>/consent/", lead_consent, name="lead_consent"),
    path("leads/<uuid:pk>/archive/", lead_archive, name="lead_archive"),
    path("leads/<uuid:pk>/erase/", lead_erase, name="lead_erase"),
    path("leads/<uuid:pk>/export/", lead_export, name="lead_export"),
    path("leads/<uuid:pk>/merge/", lead_merge, name="lead_merge"),
    path("leads/<uuid:pk>/merge/undo/", lead_unmerge, name="lead_unmerge"),
    path("leads/<uuid:pk>/files/", lead_files, name="lead_files"),
    path("deals/<uuid:pk>/files/", deal_files, name="deal_files"),
    path("organizations/<uuid:pk>/files/", organization_files, name="organization_files"),
    path("files/<uuid:pk>/", file_download, name="file_download"),
    path("files/<uuid:pk>/delete/", file_delete, name="file_delete"),
    path("notes/<uuid:pk>/", note, name="note"),
    path("notes/<uuid:pk>/delete/", note_delete, name="note_delete"),
    path("organizations/", organizations, name="organizations"),
    path("organizations/new/", organization_new, name="organization_new"),
    path("organizations/export/", organizations_export, name="organizations_export"),
    path("organizations/<uuid:pk>/", organization, name="organization"),
    path("organizations/<uuid:pk>/edit/", organization_edit, name="organization_edit"),
    path("deals/", deals, name="deals"),
    path("deals/export/", deals_export, name="deals_export"),
    path("deals/bulk/", deals_bulk, name="deals_bulk"),
    path("deals/new/", deal_new, name="deal_new"),
    path("deals/<uuid:pk>/", deal_page, name="deal"),
    path("deals/<uuid:pk>/edit/", deal_edit, name="deal_edit"),
    path("deals/<uuid:pk>/move/", deal_move, name="deal_move"),
    path("deals/<uuid:pk>/win/", deal_win, name="deal_win"),
    path("deals/<uuid:pk>/lose/", deal_lose, name="deal_lose"),
    path("deals/<uuid:pk>/reopen/", deal_reopen, name="deal_reopen"),
    path("deals/<uuid:pk>/archive/", deal_archive, name="deal_archive"),
    path("deals/<uuid:pk>/note/", deal_note, name="deal_note"),
    path("deals/<uuid:pk>/people/", deal_person_add, name="deal_person_add"),
    path("tasks/", tasks, name="tasks"),
    path("tasks/calendar/", tasks_calendar, name="tasks_calendar"),
    path("tasks/new/", task_new, name="task_new"),
    path("tasks/<uuid:pk>/", task_page, name="task"),
    path("tasks/<uuid:pk>/done/", task_done, name="task_done"),
    path("tasks/<uuid:pk>/reopen/", task_reopen, name="task_reopen"),
    path("tasks/<uuid:pk>/delete/", task_delete, name="task_delete"),
    path("tasks/<uuid:pk>/steps/", task_step_add, name="task_step_add"),
    path("tasks/steps/<uuid:pk>/", task_step, name="task_step"),
]
