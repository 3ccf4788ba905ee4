"""Consoles of guests: tickets that let in, seats that limit, and the lines to the display and the serial port."""

from hosts.consoles.lines import Line, SerialLine, open_screen
from hosts.consoles.rfb import Welcome
from hosts.consoles.seats import Seat
from hosts.consoles.tickets import KINDS, LIFETIME_S, Kind, Ticket

__all__ = ["KINDS", "LIFETIME_S", "Kind", "Line", "Seat", "SerialLine", "Ticket", "Welcome", "open_screen"]
