"""/audit"""

from django.db.models import QuerySet
from rest_framework import generics
from rest_framework.permissions import IsAuthenticated

from hosts import access
from hosts.api.serializers import AuditSerializer
from hosts.filters import AuditFilter
from hosts.models import AuditEvent


class AuditList(generics.ListAPIView[AuditEvent]):
    """What was done, by whom, to what, with which outcome: all of it for who manages all hosts, else one's own acts."""

    permission_classes = (IsAuthenticated,)
    serializer_class = AuditSerializer
    filterset_class = AuditFilter

    def get_queryset(self) -> QuerySet[AuditEvent]:
        return access.audit_for(self.request.user)
