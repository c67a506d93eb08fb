"""`schema/` and `docs/`: the OpenAPI description of the API, and the page that shows it."""

from __future__ import annotations

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView


class SchemaView(SpectacularAPIView):
    """The description: YAML, or JSON with `?format=json`."""


class DocsView(SpectacularSwaggerSplitView):
    """The description as a page to try the API on, without inline script or style."""

    template_name = "crm/api_docs.html"
