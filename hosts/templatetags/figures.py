"""Spark lines of lists: rows.sparks_of reads them for all rows of a page at once, this draws each."""

from collections.abc import Mapping

from django.template import Library
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from hosts.charts import Points, lines
from hosts.models import Host, VirtualMachine
from hosts.templatetags.units import UNKNOWN, percent

register = Library()
WIDTH, HEIGHT = 60, 16
NEWEST = 3
"""The figure in words is of these last points, or none: a VM that was shut off uses nothing now."""


@register.simple_tag
def spark(found: Mapping[int, Points], of: VirtualMachine | Host) -> SafeString | str:
    """CPU use of half an hour as a line, full height for all its CPUs, and the latest figure in words."""
    points = found.get(of.pk, ())
    cpus = (of.vcpus if isinstance(of, VirtualMachine) else of.cpus) or 1
    drawn = lines(points, width=WIDTH, height=HEIGHT, top=float(cpus))
    if not drawn:
        return UNKNOWN
    latest = next((100 * value / cpus for value in reversed(points[-NEWEST:]) if value is not None), None)
    # Not a template: it stands in each row of a long list.
    return format_html(
        '<span class="spark"><svg viewBox="0 -1 {} {}" aria-hidden="true">{}</svg><span class="num">{}</span></span>',
        WIDTH,
        HEIGHT + 2,
        format_html_join("", '<polyline points="{}"/>', ((line,) for line in drawn)),
        percent(latest),
    )
