"""The forms: defaults, what they refuse, and what they make of it."""

from typing import Any

import pytest

from migrations_app.forms import MigrationForm, TuneForm, option_rows
from migrations_app.plan import POLICIES, Options
from tests import build

pytestmark = pytest.mark.django_db


def form(**given: Any) -> MigrationForm:
    hosts = [build.host("h2")]
    defaults = {"destination": "h2", "live": "on", "persistent": "on", "undefine_source": "on"}
    return MigrationForm({**defaults, **given}, destinations=hosts)


def test_what_the_page_shows_at_first_is_the_default_of_the_plan() -> None:
    unbound = MigrationForm(destinations=[])
    shown = {name: unbound[name].value() for name in (*MigrationForm.STEER, *MigrationForm.MAIN, *MigrationForm.MORE)}
    assert shown == Options().to_dict()


def test_every_option_of_the_plan_has_a_field() -> None:
    assert {*MigrationForm.STEER, *MigrationForm.MAIN, *MigrationForm.MORE} == set(Options().to_dict())


def test_a_form_left_as_it_is_gives_the_default_options() -> None:
    filled = form()
    assert filled.is_valid(), filled.errors
    assert filled.options == Options()
    assert filled.cleaned_data["destination"].name == "h2"
    assert not filled.opens_more()


def test_figures_and_flags_become_options() -> None:
    filled = form(unsafe="on", postcopy="on", bandwidth_mib="40", timeout_s="30", on_timeout="postcopy")
    assert filled.is_valid(), filled.errors
    expected = Options(unsafe=True, postcopy=True, bandwidth_mib=40, timeout_s=30, on_timeout="postcopy")
    assert filled.options == expected
    assert filled.opens_more()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"destination": ""}, "destination"),
        ({"destination": "h9"}, "destination"),
        ({"destination": "h2; reboot"}, "destination"),
        ({"bandwidth_mib": "-1"}, "bandwidth_mib"),
        ({"bandwidth_mib": "fast"}, "bandwidth_mib"),
        ({"parallel_connections": "17"}, "parallel_connections"),
        ({"parallel_connections": "2", "postcopy": "on"}, "parallel_connections"),
        ({"timeout_s": "30", "on_timeout": "postcopy"}, "postcopy"),
        ({"on_timeout": "explode"}, "on_timeout"),
        ({"ping_address": "web.example.net"}, "ping_address"),
        ({"ping_address": "1.2.3.4; id"}, "ping_address"),
        ({"reason": "x" * 301}, "reason"),
    ],
)
def test_bad_input_is_named_at_its_field(given: dict[str, str], field: str) -> None:
    filled = form(**given)
    assert not filled.is_valid()
    assert field in filled.errors


def test_tuning_needs_at_least_one_figure() -> None:
    assert not TuneForm({}).is_valid()
    assert not TuneForm({"bandwidth_mib": "0"}).is_valid()
    filled = TuneForm({"bandwidth_mib": "", "max_downtime_ms": "500"})
    assert filled.is_valid()
    assert filled.given() == {"max_downtime_ms": 500}


def test_options_are_shown_in_words() -> None:
    rows = dict(option_rows(Options(bandwidth_mib=40, live=False).to_dict()))
    assert rows["Live"] == "no"
    assert rows["Bandwidth limit, MiB/s"] == "40"
    assert rows["Maximum downtime, ms"] == "libvirt's own"
    assert rows["Time limit, seconds"] == "none"
    assert len(rows) == len(Options().to_dict())


def test_each_policy_says_what_it_may_do_to_the_guest() -> None:
    shown = form(policy="gentle").policies()
    assert [one["name"] for one in shown if one["chosen"]] == ["gentle"]
    assert {one["name"] for one in shown} == set(POLICIES) and all(one["may"] for one in shown)
    assert [one["name"] for one in MigrationForm(destinations=[]).policies() if one["chosen"]] == ["automatic"]


def test_a_deadline_is_asked_for_where_it_must_finish() -> None:
    wanted = form(policy="must_finish", finish_within_s="")
    assert not wanted.is_valid() and "finish_within_s" in wanted.errors
