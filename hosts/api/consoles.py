"""POST /vms/{uuid}/consoles: a ticket for one of a guest's consoles. The WebSocket that takes it is the project's."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hosts.api.vms import asked
from hosts.consoles import KINDS, LIFETIME_S, Ticket, tickets


class ConsoleInput(serializers.Serializer[None]):
    """What to open."""

    kind = serializers.ChoiceField(choices=KINDS, help_text="`screen` (VNC) or `serial`.")
    force = serializers.BooleanField(default=False, help_text="Take a serial console over that somebody else has open.")


class ConsoleTicket(serializers.Serializer[None]):
    """A ticket, good once."""

    ticket = serializers.CharField()
    path = serializers.CharField(
        help_text="The WebSocket to open, with the subprotocols `kvmconsole` and `ticket.TICKET`."
    )
    expires_s = serializers.IntegerField()


class VmConsoles(APIView):
    """Tickets for the consoles of one guest."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(request=ConsoleInput, responses={201: ConsoleTicket})
    def post(self, request: Request, uuid: UUID) -> Response:
        vm, _, given = asked(request, uuid, ConsoleInput)
        assert request.user.pk is not None
        # A caller with an API token has no session, nor does its WebSocket.
        by_session = isinstance(request.successful_authenticator, SessionAuthentication)
        session = request.session.session_key if by_session else None
        kind = given["kind"]
        ticket = Ticket(user=request.user.pk, session=session, vm=vm.pk, kind=kind, force=given["force"])
        answer = {"ticket": tickets.issue(ticket), "path": f"/ws/vms/{vm.uuid}/{kind}", "expires_s": LIFETIME_S}
        return Response(answer, status=201)
