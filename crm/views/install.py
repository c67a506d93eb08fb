"""What makes the product an app of the device: its manifest, and a page for when there is no connection.

Both are public and hold nothing of anybody. Nothing else is kept on the device.
"""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from crm.views.errors import alone

# The ground of the light theme (static/css/tokens.css), in the notation that a manifest knows.
GROUND: Final = "#f3f4f7"
ICONS: Final = (("any", 192), ("any", 512), ("maskable", 512))


@login_not_required
@require_safe
def manifest(request: HttpRequest) -> HttpResponse:
    """How the app is called, looks and starts."""
    described = {
        "id": "/",
        "name": "LeadMachine",
        "short_name": "LeadMachine",
        "description": _("Leads and deals, and the LinkedIn conversions they become."),
        "lang": "en",
        "start_url": reverse("home"),
        "scope": "/",
        "display": "standalone",
        "background_color": GROUND,
        "theme_color": GROUND,
        "icons": [_icon(purpose, size) for purpose, size in ICONS],
        "shortcuts": [
            {"name": _("New lead"), "url": reverse("lead_new")},
            {"name": _("Leads"), "url": reverse("leads")},
            {"name": _("Deals"), "url": reverse("deals")},
        ],
    }
    return JsonResponse(described, content_type="application/manifest+json")


def _icon(purpose: str, size: int) -> dict[str, str]:
    return {
        "src": static(f"img/app-{purpose}-{size}.png"),
        "sizes": f"{size}x{size}",
        "type": "image/png",
        "purpose": purpose,
    }


@login_not_required
@require_safe
def offline(request: HttpRequest) -> HttpResponse:
    """What the service worker shows instead of a page that it cannot get."""
    return alone("errors/offline.html", 200)


@login_not_required
@require_safe
def service_worker(request: HttpRequest) -> HttpResponse:
    """The service worker, from the top of the site, as it may only serve what is below it."""
    script = (settings.BASE_DIR / "static" / "js" / "service-worker.js").read_text(encoding="utf-8")
    return HttpResponse(script, content_type="text/javascript; charset=utf-8")
