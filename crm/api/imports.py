"""`imports/`: files of leads, from the upload to the undoing. The steps are those of the pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import django_filters
from django.db.models import F, QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from crm import import_work, importing
from crm.actions import imports as actions
from crm.actions.imports import Options
from crm.api import filters
from crm.api.base import CompanyViewSet
from crm.api.fields import (
    Key,
    Member,
    Moment,
    NothingSerializer,
    Record,
    StrictSerializer,
    Text,
    TrueFalse,
    optional_text,
)
from crm.importing import FIELDS, PRESETS, Unreadable
from crm.models import Import, ImportOutcome, ImportRow, ImportState, LeadStatus, OnMatch

# So long a request works itself before it leaves the rest to the workers: small files are done at once.
AT_ONCE_SECONDS = 1.5
_MOST_COLUMNS = 10_000
_MOST_WRONG = 20


class ImportColumnSerializer(serializers.Serializer[Any]):
    """A column of the file, and the field it goes to: `cf_<key>` is one of your own, "" is none."""

    header = serializers.CharField()
    field = serializers.CharField()


class ImportSerializer(serializers.Serializer[Any]):
    """A file of leads, how it is read, and how far it is.

    `plan` has the counts that the check found, once the file is written.
    """

    id = serializers.UUIDField()
    file_name = serializers.CharField()
    state = serializers.ChoiceField(choices=ImportState.choices)
    encoding = serializers.CharField()
    delimiter = serializers.CharField()
    has_header = serializers.BooleanField()
    preset = serializers.CharField()
    columns = serializers.SerializerMethodField()
    on_match = serializers.ChoiceField(choices=OnMatch.choices)
    source = serializers.CharField()  # type: ignore[assignment]  # DRF takes it off the class
    status = Key(LeadStatus, allow_null=True)
    owner = Member(allow_null=True)
    month_first = serializers.BooleanField()
    lenient = serializers.BooleanField()
    report = serializers.BooleanField(source="is_reported")
    total = serializers.IntegerField(help_text="Rows below the head.")
    handled = serializers.IntegerField(help_text="Rows that are checked or written so far.")
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    skipped = serializers.IntegerField()
    failed = serializers.IntegerField()
    reportable = serializers.IntegerField(help_text="New leads that LinkedIn could be told of.")
    kept = serializers.IntegerField(help_text="Left as they are by the undoing: touched since.")
    plan = serializers.DictField(child=serializers.IntegerField())
    error = serializers.CharField()
    can_undo = serializers.SerializerMethodField()
    created_by = serializers.EmailField(source="created_by.email", allow_null=True, default=None)
    created_at = Moment()
    started_at = Moment(allow_null=True)
    finished_at = Moment(allow_null=True)

    @extend_schema_field(ImportColumnSerializer(many=True))
    def get_columns(self, batch: Import) -> list[dict[str, str]]:
        pairs = zip(batch.headers, batch.mapping, strict=True)
        return [{"header": header, "field": field} for header, field in pairs]

    def get_can_undo(self, batch: Import) -> bool:
        return actions.may_undo(batch, timezone.now())


class UploadSerializer(StrictSerializer):
    """A file: CSV, tab- or semicolon-separated text, or XLSX, up to 100 MiB.

    `like` is the id of an earlier import whose settings this one takes over.
    """

    file = serializers.FileField(max_length=1000, allow_empty_file=True)
    like = Record("import", "imports", required=False)


class ReadSerializer(StrictSerializer):
    """How the file is read; what is not named stays."""

    encoding = serializers.ChoiceField(choices=list(importing.ENCODINGS.items()), required=False)
    delimiter = serializers.ChoiceField(choices=list(importing.DELIMITERS.items()), required=False)
    has_header = TrueFalse(required=False)
    preset = serializers.ChoiceField(
        choices=[(name, preset.label) for name, preset in PRESETS.items()], required=False
    )


class CheckSerializer(StrictSerializer):
    """What becomes of the columns and rows; what is not named stays.

    `mapping` has a field for each column, or "". Fields of your own are `cf_<key>`.
    """

    mapping = serializers.ListField(
        child=Text(allow_blank=True, max_length=60, help_text=f"One of {', '.join(FIELDS)}, cf_<key>."),
        required=False,
        max_length=_MOST_COLUMNS,
    )
    on_match = serializers.ChoiceField(choices=OnMatch.choices, required=False)
    source = optional_text(80)  # type: ignore[assignment]
    status = Key(LeadStatus, required=False, allow_null=True)
    owner = Member(required=False, allow_null=True)
    month_first = TrueFalse(required=False)
    lenient = TrueFalse(required=False)

    def validate_mapping(self, names: list[str]) -> list[str]:
        known = {"", *FIELDS, *actions.own_fields()}
        wrong = [place for place, name in enumerate(names) if name not in known]
        if wrong:
            sentence = ErrorDetail("There is no field of this name.", "invalid_choice")
            raise ValidationError({str(place): [sentence] for place in wrong[:_MOST_WRONG]})
        return names


class RunSerializer(StrictSerializer):
    """Whether LinkedIn is told of the new leads: not unless you say so."""

    report = TrueFalse(default=False)


class ImportFilters(django_filters.FilterSet):
    state = filters.ChoiceFilter(choices=ImportState.choices)
    created_since = filters.since("created_at")
    created_until = filters.until("created_at")


class ImportViewSet(CompanyViewSet):
    """Imports, newest first. Agents see those they began.

    Upload, check, run: each answers at once for small files; for others, `state` and `handled` say how far it is.
    """

    model = Import
    serializer_class = ImportSerializer
    filterset_class = ImportFilters
    field_names: Mapping[str, str] = {"is_reported": "report"}
    has_etags = False  # the work goes on while somebody looks

    def records(self) -> QuerySet[Import]:
        return self.principal.imports().select_related("company", "created_by", "status", "owner")

    def get_parsers(self) -> list[BaseParser]:
        method = (self.request.method or "").lower() if self.request else ""
        name = getattr(self, "action", None) or self.action_map.get(method)
        return [MultiPartParser()] if name == "create" else super().get_parsers()

    def get_serializer_context(self) -> dict[str, Any]:
        context = dict(super().get_serializer_context())
        if getattr(self, "swagger_fake_view", False):  # the schema is made without any company
            return context
        return {**context, "imports": self.principal.imports}

    @extend_schema(request={"multipart/form-data": UploadSerializer}, responses={201: ImportSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take a file in and read it once: its columns are mapped as far as their names say, nothing is written."""
        sent = self.body(UploadSerializer)
        file, like = sent["file"], sent.get("like")
        try:
            if like is not None:
                batch = actions.again(like, self.principal, self.actor, file.name, file)
            else:
                batch = actions.upload(self.principal, self.actor, file.name, file)
        except Unreadable as error:
            raise ValidationError({"file": [ErrorDetail(str(error), "unreadable")]}) from error
        return self.shown(batch, status=201)

    @extend_schema(request=ReadSerializer, responses=ImportSerializer)
    @action(detail=True, methods=["post"])
    def read(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Read the file in another way. Its columns are mapped anew."""
        batch = self.get_object()
        wanted = self.body(ReadSerializer)
        settings = {name: getattr(batch, name) for name in ReadSerializer._declared_fields} | wanted
        try:
            actions.read_again(batch, **settings)
        except Unreadable as error:
            raise ValidationError({"encoding": [ErrorDetail(str(error), "unreadable")]}) from error
        return self.shown(batch)

    @extend_schema(request=CheckSerializer, responses=ImportSerializer)
    @action(detail=True, methods=["post"])
    def check(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Save the settings and check every row; nothing is written but what was found."""
        batch = self.get_object()
        wanted = self.body(CheckSerializer)
        self.check_own({name: wanted[name] for name in ("owner",) if wanted.get(name)})
        mapping = wanted.get("mapping", batch.mapping)
        if len(mapping) != len(batch.headers):
            sentence = f'Send a field or "" for each of the {len(batch.headers)} columns.'
            raise ValidationError({"mapping": [ErrorDetail(sentence, "invalid")]})
        names = (*CheckSerializer._declared_fields, "is_reported")
        settings = {name: getattr(batch, name) for name in names} | wanted
        actions.check(batch, Options(**settings))
        return self._working(batch)

    @extend_schema(request=RunSerializer, responses=ImportSerializer)
    @action(detail=True, methods=["post"])
    def run(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Write what was checked."""
        batch = self.get_object()
        wanted = self.body(RunSerializer)
        actions.start(batch, self.actor, is_reported=wanted["report"])
        return self._working(batch)

    @extend_schema(request=NothingSerializer, responses=ImportSerializer)
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """End the work after the chunk at hand. What is done stays, and can be undone."""
        batch = self.get_object()
        self.body(NothingSerializer)
        actions.stop(batch)
        return self.shown(batch)

    @extend_schema(request=NothingSerializer, responses=ImportSerializer)
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take back, within 30 days, what the import wrote and nobody touched since."""
        batch = self.get_object()
        self.body(NothingSerializer)
        actions.undo(batch, self.actor)
        return self._working(batch)

    def _working(self, batch: Import) -> Response:
        """Work a moment in this request; the workers do the rest."""
        if import_work.work(self.principal.company, batch.pk, AT_ONCE_SECONDS):
            import_work.nudge_on_commit(batch)
        return self.shown(batch)


class ImportRowSerializer(serializers.Serializer[Any]):
    """What became, or would become, of a row. `value` is the field and the value that are wrong."""

    number = serializers.IntegerField()
    outcome = serializers.ChoiceField(choices=ImportOutcome.choices)
    lead = serializers.UUIDField(source="lead_id", allow_null=True)
    reason = serializers.CharField()
    value = serializers.CharField()
    is_undone = serializers.BooleanField()


class ImportRowFilters(django_filters.FilterSet):
    outcome = filters.ChoiceFilter(choices=ImportOutcome.choices)


class ImportRowViewSet(CompanyViewSet):
    """What became of each row of an import, in the order of the file. After a check: the rows that fail."""

    model = ImportRow
    serializer_class = ImportRowSerializer
    filterset_class = ImportRowFilters
    orderings: Mapping[str, Any] = {"number": F("number")}
    default_ordering = "number"
    has_etags = False

    def records(self) -> QuerySet[ImportRow]:
        batch = get_object_or_404(self.principal.imports(), pk=self.kwargs["pk"])
        return ImportRow.objects.filter(batch=batch)
