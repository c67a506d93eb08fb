"""Every address of the product."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from capi.sandbox_page import sandbox_page
from crm.views.settings.you import to_your_account, your_account
from crm.views.setup import sign_in
from crm.views.sign_in_with import from_service, to_service
from leadmachine import metrics, probes
from leadmachine import sign_in as services

admin.site.site_header = admin.site.site_title = "LeadMachine"
admin.site.index_title = "Administration"

handler500 = "crm.views.errors.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", probes.healthz, name="healthz"),
    path("readyz", probes.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("accounts/login/", sign_in),  # allauth's page, or the first run's before there is anybody
    # Pages of allauth's that have no place here: addresses are given by who invites, passwords are changed.
    path("accounts/email/", to_your_account),
    path("accounts/confirm-email/", to_your_account),
    path("accounts/confirm-email/<str:key>/", to_your_account),
    path("accounts/password/set/", to_your_account),
    path("accounts/login/code/confirm/", to_your_account),
    path("accounts/2fa/", your_account),  # in place of allauth's lists of second steps
    path("accounts/2fa/webauthn/", your_account),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("accounts/", include("allauth.account.urls")),
    *(
        path(f"accounts/oidc/{key}/login/{end}", view, {"provider_id": key}, name=f"openid_connect_{name}")
        for key in services.SERVICES
        for end, view, name in (("", to_service, "login"), ("callback/", from_service, "callback"))
    ),
    path("api/v1/", include("crm.api.urls")),
    path("linkedin/", include("capi.urls")),
    path("sandbox/", sandbox_page, name="sandbox"),
    path("", include("crm.urls")),
]

if settings.DEBUG or settings.IS_TEST:
    from crm.views.styleguide import styleguide

    urlpatterns.append(path("styleguide/", styleguide, name="styleguide"))
