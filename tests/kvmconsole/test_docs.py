"""What can be set, run and called stands in docs/; and docs/ names no setting, command or route that is gone."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class
from drf_spectacular.generators import SchemaGenerator

from kvmconsole import settings as settings_module
from migrations_app.plan import Options

DOCS = Path(settings.BASE_DIR) / "docs"
OURS = ("kvmconsole", "hosts", "migrations_app", "tests.lab")
METHODS = ("get", "post", "put", "patch", "delete")


def page(name: str) -> str:
    return (DOCS / name).read_text()


def first_cells(text: str) -> list[str]:
    """The first cell of each row of the tables in `text`."""
    return re.findall(r"^\| (.+?) (?<!\\)\| ", text, re.MULTILINE)


def routes_of_the_schema() -> set[tuple[str, str]]:
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return {
        (method.upper(), path.removeprefix("/api/v1/"))
        for path, entry in paths.items()
        for method in entry
        if method in METHODS
    }


def test_the_settings_are_those_that_are_read() -> None:
    source = Path(settings_module.__file__).read_text()
    # The variable of Django itself is set in asgi.py and manage.py, not read here.
    read = set(re.findall(r'"((?:KVMCONSOLE_[A-Z_]+)|(?:[A-Z]+_URL))"', source)) - {"LOGIN_URL"}
    assert len(read) == 8
    assert {cell.strip("`") for cell in first_cells(page("settings.md")) if cell.startswith("`")} == read


def test_each_command_of_ours_is_described_and_no_other() -> None:
    ours = {name for name, app in get_commands().items() if app in OURS}
    described = {found[1] for cell in first_cells(page("commands.md")) if (found := re.match(r"`([a-z]+)", cell))}
    assert described == ours


@pytest.mark.parametrize("name", ["console", "watch", "addhost", "token"])
def test_each_option_of_a_command_is_described(name: str) -> None:
    app = get_commands()[name]
    assert isinstance(app, str)
    common = {"--version", "--verbosity", "--settings", "--pythonpath", "--traceback", "--no-color", "--force-color"}
    parser = load_command_class(app, name).create_parser("manage.py", name)
    options = {word for action in parser._actions for word in action.option_strings if word.startswith("--")}
    assert [word for word in options - common - {"--help", "--skip-checks"} if word not in page("commands.md")] == []


def test_each_route_of_the_api_is_described_and_no_other() -> None:
    described = set()
    for cell in first_cells(page("api.md")):
        if found := re.match(r"([A-Z]+) `([^`?]+)", cell):
            described.add(found.groups())
    assert described == routes_of_the_schema()


def test_each_filter_of_a_list_is_described() -> None:
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    rows = page("api.md").splitlines()
    for path, entry in paths.items():
        named = {q["name"] for q in entry.get("get", {}).get("parameters", []) if q["in"] == "query"}
        for name in named - {"page", "page_size"} - ({"host"} if "{name}" in path else set()):
            row = [line for line in rows if re.match(rf"\| GET `{re.escape(path.removeprefix('/api/v1/'))}[`?]", line)]
            assert any(re.search(rf"\b{name}\b", line) for line in row), f"{path}: {name}"


def test_each_option_of_a_migration_is_described() -> None:
    assert [name for name in Options().to_dict() if not re.search(rf"\b{name}\b", page("api.md"))] == []


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_links_between_the_pages_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
        assert (path.parent / target).exists(), target
