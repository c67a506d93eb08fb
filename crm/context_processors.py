"""What every page's frame needs. The values are gathered in crm.views.frame."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def frame(request: HttpRequest) -> dict[str, Any]:
    """`frame` for signed-in members; nothing for everybody else."""
    from crm.views.frame import frame_of

    return {"frame": frame_of(request)}
