"""The nouns of the CRM, one file for each group."""

from crm.models.activity import Activity, Mention
from crm.models.apikey import ApiKey, IdempotencyRecord
from crm.models.attachment import Attachment
from crm.models.audit import AuditEntry
from crm.models.automation import AssignmentPerson, AssignmentRule, AutomationEntry, Automations, StageTask
from crm.models.bulk import BulkRow, BulkRun, BulkState, BulkVerb, RowOutcome
from crm.models.capture import ConsentText, Submission, SubmissionOutcome, WebForm, WebsiteTest
from crm.models.company import Company, ConsentPolicy
from crm.models.customfield import (
    CustomEntity,
    CustomField,
    CustomKind,
    custom_fields_of,
)
from crm.models.deal import Deal, DealPerson, DealQuerySet, DealStageChange
from crm.models.erasure import Erasure, Tombstone
from crm.models.imports import Import, ImportOutcome, ImportQuerySet, ImportRow, ImportState, OnMatch
from crm.models.invitation import Invitation
from crm.models.lead import (
    Consent,
    Lead,
    LeadEmail,
    LeadPhone,
    LeadQuerySet,
    LeadStatus,
    LeadStatusChange,
    LeadTag,
    LeadType,
    LeadWebsite,
    StatusCategory,
    Tag,
)
from crm.models.merge import Merge
from crm.models.notification import CalendarFeed, DigestMailed, Notification, NotificationQuerySet
from crm.models.organization import Organization, OrganizationQuerySet
from crm.models.person import Membership, Role, User
from crm.models.pipeline import Pipeline, Stage, StageKind
from crm.models.retention import Retention
from crm.models.search import Found, SearchEntry
from crm.models.task import Priority, SubTask, Task, TaskAssignee, TaskQuerySet
from crm.models.view import SavedView, SavedViewQuerySet
from crm.models.webhook import (
    Webhook,
    WebhookAttempt,
    WebhookDelivery,
    WebhookDeliveryQuerySet,
    WebhookEvent,
    WebhookStatus,
)

__all__ = [
    "Activity",
    "ApiKey",
    "AssignmentPerson",
    "AssignmentRule",
    "Attachment",
    "AuditEntry",
    "AutomationEntry",
    "Automations",
    "BulkRow",
    "BulkRun",
    "BulkState",
    "BulkVerb",
    "CalendarFeed",
    "Company",
    "Consent",
    "ConsentPolicy",
    "ConsentText",
    "CustomEntity",
    "CustomField",
    "CustomKind",
    "Deal",
    "DealPerson",
    "DealQuerySet",
    "DealStageChange",
    "DigestMailed",
    "Erasure",
    "Found",
    "IdempotencyRecord",
    "Import",
    "ImportOutcome",
    "ImportQuerySet",
    "ImportRow",
    "ImportState",
    "Invitation",
    "Lead",
    "LeadEmail",
    "LeadPhone",
    "LeadQuerySet",
    "LeadStatus",
    "LeadStatusChange",
    "LeadTag",
    "LeadType",
    "LeadWebsite",
    "Membership",
    "Mention",
    "Merge",
    "Notification",
    "NotificationQuerySet",
    "OnMatch",
    "Organization",
    "OrganizationQuerySet",
    "Pipeline",
    "Priority",
    "Retention",
    "Role",
    "RowOutcome",
    "SavedView",
    "SavedViewQuerySet",
    "SearchEntry",
    "Stage",
    "StageKind",
    "StageTask",
    "StatusCategory",
    "SubTask",
    "Submission",
    "SubmissionOutcome",
    "Tag",
    "Task",
    "TaskAssignee",
    "TaskQuerySet",
    "Tombstone",
    "User",
    "WebForm",
    "Webhook",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookDeliveryQuerySet",
    "WebhookEvent",
    "WebhookStatus",
    "WebsiteTest",
    "custom_fields_of",
]
