"""Pages in the reader's language: the choice, what speaks which language, and that no word is left out of a catalogue."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.template import Context, Template
from django.template.loader import render_to_string
from django.test import Client
from django.utils import translation
from django.utils.translation import trans_real
from lxml import html

from hosts import errors
from hosts.models import AuditEvent
from hosts.said import said
from hosts.templatetags.look import LOOKS
from kvmconsole.sentences import sentences
from migrations_app import fixes, record, states
from migrations_app.conformance import TITLES
from migrations_app.models import Migration
from migrations_app.verdict import CHOICES
from tests import build
from tests.kvmconsole.matrix_world import World
from tests.kvmconsole.sockets import ORIGIN, cookie_of, in_thread, socket
from tests.kvmconsole.test_rights_matrix import ROUTES

CHINESE = "zh-hans"
READ = ("templates", "static", "hosts", "kvmconsole", "migrations_app")
IGNORED = ["vendor/*", "static/vendor/*"]


@pytest.mark.parametrize("domain", ["django", "djangojs"])
def test_the_chinese_catalogue_has_every_word_and_each_is_translated(
    domain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails here is put right by scripts/messages, and by the Chinese of what is new in locale/zh_Hans."""
    for folder in READ:
        (tmp_path / folder).symlink_to(settings.BASE_DIR / folder)
    (tmp_path / "locale").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings, "LOCALE_PATHS", [])
    call_command("makemessages", locale=["zh_Hans"], domain=domain, symlinks=True, ignore_patterns=IGNORED, verbosity=0)
    kept = settings.BASE_DIR / "locale" / "zh_Hans" / "LC_MESSAGES" / f"{domain}.po"
    fresh = tmp_path / "locale" / "zh_Hans" / "LC_MESSAGES" / f"{domain}.po"
    compared = subprocess.run(["msgcmp", kept, fresh], capture_output=True, text=True)
    assert compared.returncode == 0, compared.stderr
    assert "not used" not in compared.stderr, compared.stderr


def test_what_pure_modules_and_the_database_say_stands_in_the_catalogue() -> None:
    words = {word for pair in states.LABELS.values() for word in pair}
    words |= {*states.MEANINGS_OFF.values(), *states.STEPS.values(), *fixes.LABELS.values(), *TITLES.values()}
    words |= {text for choice in CHOICES.values() for text in (choice.label, choice.effect)}
    for model in apps.get_models():
        if model._meta.app_label in ("hosts", "migrations_app"):
            for field in model._meta.fields:
                words |= {str(label) for _, label in field.choices or ()}
    words |= {text for error in leaves(errors.HostError) for text in (error.title, error.hint) if text}
    looks = {look.word for looks in LOOKS.values() for look in looks.values()}
    catalogue = trans_real.translation(CHINESE)._catalog
    assert [word for word in words | looks if word not in catalogue] == []


def leaves(error: type[errors.HostError]) -> list[type[errors.HostError]]:
    """The class and all below it that are the console's own."""
    below = [one for each in error.__subclasses__() if not each.__module__.startswith("tests") for one in leaves(each)]
    return [error, *below]


@pytest.mark.django_db
def test_who_chooses_chinese_reads_chinese_until_they_choose_otherwise() -> None:
    client = Client()
    client.force_login(build.user("li", role="admin"))
    assert '<html lang="en"' in client.get("/vms/").content.decode()
    chosen = client.post("/language/", {"language": CHINESE, "next": "/vms/"})
    assert (chosen.status_code, chosen["Location"]) == (302, "/vms/")
    page = client.get("/vms/").content.decode()
    assert f'<html lang="{CHINESE}"' in page
    assert "虚拟机" in page and "Under way" not in page
    assert f'value="{CHINESE}" lang="{CHINESE}" aria-pressed="true"' in page
    client.post("/language/", {"language": "en"})
    assert '<html lang="en"' in client.get("/vms/").content.decode()


@pytest.mark.django_db
def test_a_language_is_chosen_by_post_alone_and_leads_to_no_other_site() -> None:
    assert Client().get("/language/").status_code == 405
    answer = Client().post("/language/", {"language": CHINESE, "next": "https://evil.example/"})
    assert answer["Location"] == "/"
    assert Client(enforce_csrf_checks=True).post("/language/", {"language": CHINESE}).status_code == 403


@pytest.mark.django_db
def test_the_sign_in_page_speaks_as_the_browser_asks_and_the_api_english() -> None:
    client = Client(headers={"accept-language": "zh-CN,zh;q=0.9,en;q=0.5"})
    page = client.get("/accounts/login/").content.decode()
    assert f'<html lang="{CHINESE}"' in page and "登录" in page
    client.cookies["django_language"] = CHINESE
    client.force_login(build.user("li", role="admin"))
    answer = client.post("/api/v1/hosts", "{}", content_type="application/json")
    assert "required" in answer.content.decode() and answer["Content-Language"] == "en"


@pytest.mark.django_db
def test_a_refusal_that_a_page_shows_is_in_the_language_of_its_reader() -> None:
    """The page of consoles asks the API for a ticket, and shows why it gets none."""
    vm = build.vm("web", on=build.host("h1"))
    client = Client(headers={"x-asked-by-page": "1"})
    client.cookies["django_language"] = CHINESE
    client.force_login(build.user("li", role="viewer"))
    refusal = client.post(f"/api/v1/vms/{vm.uuid}/consoles", {"kind": "screen"}, content_type="application/json")
    assert refusal.status_code == 403
    for name in ("title", "detail"):
        assert re.search("[\u4e00-\u9fff]", refusal.json()[name]), refusal.json()


def test_scripts_have_their_words_in_the_language_of_the_page() -> None:
    copied = json.dumps("已复制。")
    assert copied in Client(headers={"accept-language": "zh-CN"}).get("/language/scripts.js").content.decode()
    assert copied not in Client().get("/language/scripts.js").content.decode()


def said_in(language: str, source: str, **context: object) -> str:
    with translation.override(language):
        return Template(source).render(Context(context))


def test_numbers_of_things_have_the_forms_of_the_language() -> None:
    source = "{% blocktranslate count counter=n %}{{ counter }} check passed{% plural %}{{ counter }} checks passed{% endblocktranslate %}"
    said = {language: [said_in(language, source, n=n) for n in (1, 2)] for language in ("en", CHINESE)}
    assert said == {"en": ["1 check passed", "2 checks passed"], CHINESE: ["1 项检查通过", "2 项检查通过"]}


def test_a_sentence_keeps_its_values_escaped_and_its_percents() -> None:
    source = "{% blocktranslate asvar said with vm=name|upper %}Console of {{ vm }}{% endblocktranslate %}[{{ said }}]"
    assert said_in("en", source, name="<b>") == "[Console of &lt;B&gt;]"
    assert said_in(CHINESE, source, name="<b>") == "[&lt;B&gt; 的控制台]"
    assert said_in("en", '{% translate "50 % of it" %}') == "50 % of it"
    assert said_in("en", "{% blocktranslate %}{{ n }} % of {{ no_such }}it{% endblocktranslate %}", n=5) == "5 % of it"


def test_one_template_speaks_each_language_in_turn() -> None:
    said = []
    for language in ("en", CHINESE, "en"):
        with translation.override(language):
            said.append(render_to_string("hosts/_columns.html", {"all_columns": []}))
    assert said[0] == said[2] != said[1]
    assert "Columns to show" in said[0] and "要显示的列" in said[1]


@pytest.mark.django_db
def test_what_is_stored_is_english_whoever_does_it() -> None:
    client = Client(headers={"accept-language": CHINESE})
    client.force_login(build.user("li", role="admin"))
    host = build.host("h1")
    client.post(f"/hosts/{host.name}/maintenance/", {"maintenance": "begin"})
    event = AuditEvent.objects.latest("pk")
    assert f"{event.action} {event.target} {event.detail}".isascii()


AS_IT_IS = ("production db team:web", "hidden-db on hidden-h1", "VM hidden-new on hidden-h1")
"""Tags, and names of hosts and VMs that an act was about."""
RAW = re.compile("：unable to connect to server at .*")
"""What libvirt says."""
SENTENCE = re.compile(r"[A-Za-z]{2,},? [a-z]{2,} [a-z]{2,}")
NOT_READ = "script|style|svg|code|pre|kbd|samp|*[contains(@class, 'mono')]|*[@lang='en']"
READ_ALOUD = ("aria-label", "title", "placeholder", "alt", "data-label", "data-announce", "data-count")


def english_of(page: str) -> set[str]:
    """What of a page a person reads or hears that looks like an English sentence."""
    tree = html.fromstring(page)
    for shown_as_it_is in tree.xpath("|".join(f"//{one}" for one in NOT_READ.split("|"))):
        shown_as_it_is.drop_tree()
    said = {*tree.xpath("//text()"), *(words for name in READ_ALOUD for words in tree.xpath(f"//@{name}"))}
    return {words.strip() for words in said if SENTENCE.search(words)}


@pytest.mark.django_db
def test_no_page_in_chinese_says_anything_in_english() -> None:
    world = World()
    world.clients["admin"].cookies["django_language"] = CHINESE
    found = {}
    for route in (name for name, methods in ROUTES.items() if "GET" in methods and "api" not in name):
        answer = world.call("admin", route, "GET")
        if answer["Content-Type"].startswith("text/html") and answer.content.strip():
            english = {
                words
                for words in english_of(answer.content.decode())
                if not words.startswith(AS_IT_IS) and not RAW.search(words)
            }
            if english:
                found[route] = english
    assert not set().union(*found.values()), found


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("migration #1 of web uses it", "web 的迁移 #1 正在使用它"),
        ("web is held: migration #1 of web uses it.", "web 被占用：web 的迁移 #1 正在使用它。"),
        ("web is shut off on h1, not shut off.", "web 在 h1 上的状态是已关机，而不是已关机。"),
        (
            "web can't go to h2: h2 is in maintenance. Choose another host.",
            "web 不能去 h2：h2 处于维护中。请选择另一台主机。",
        ),
        (
            "h1 refused the connection to libvirtd: Connection refused",
            "h1 拒绝了到 libvirtd 的连接：Connection refused",
        ),
        ("web is off; it is not started on h2.", "web is off; it is not started on h2."),
        ("h1 is in maintenance; web is not started there.", "h1 处于维护中；不会在那里启动 web。"),
        ("waits for a place on h2: 2 of 2 go there, see #3", "等待h2 上的名额：2 个去往那里，上限 2，见 #3"),
        ("at 02:00 every Monday to Friday", "每星期一至星期五 02:00"),
        ("at 02:00 every day, UTC", "每天 02:00，UTC"),
        ("at 02:00 every Saturday, Europe/Berlin", "每星期六 02:00，Europe/Berlin"),
        ("No host can take it: nothing of ours.", "没有主机能接收它：nothing of ours。"),
        (
            "running is active on idle; only a VM that is off is deleted.",
            "running 在 idle 上处于活动状态；只能删除已关机的虚拟机。",
        ),
        ("internal error: unable to execute QEMU command", "internal error: unable to execute QEMU command"),
    ],
)
def test_what_was_said_in_english_is_read_in_chinese(english: str, chinese: str) -> None:
    with translation.override(CHINESE):
        assert said(english) == chinese
    with translation.override("en"):
        assert said(english) == english


def test_sentences_are_found_in_modules_that_mark_none() -> None:
    source = """
def f(vm, host, states):
    \"\"\"A docstring is not said.\"\"\"
    log.info("nor is a line of the log")
    if states == "shut off":
        raise Refused(f"{vm.name} is {vm.get_state_display()} on {host.name}{'s' if states else ''}.", hint="Start it first.")
    return re.compile("one way|or another"), gettext("This one is marked."), f"{host.pk}:{vm.pk}"
"""
    assert [*sentences(source)] == ["{vm} is {state} on {host}{s}.", "Start it first."]


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_a_fragment_of_the_socket_is_in_the_language_of_its_page() -> None:
    def seed() -> tuple[Migration, tuple[bytes, bytes]]:
        h1, h2 = build.host("h1"), build.host("h2")
        row = build.migration(build.vm("web", on=h1), to=h2, state=states.State.COPYING)
        return row, cookie_of(build.user("vera", role="viewer"))

    row, session = await in_thread(seed)
    chinese = (b"cookie", session[1] + b"; django_language=" + CHINESE.encode())
    pages = [socket(f"/ws/?topic=migration.{row.pk}", ORIGIN, cookie) for cookie in (session, chinese)]
    for page in pages:
        assert (await page.connect())[0]
    await in_thread(record.publish, row)
    english, translated = ["".join([await page.receive_from(timeout=5) for _ in record.FRAGMENTS]) for page in pages]
    assert "copying" in english and "拷贝中" in translated
    for page in pages:
        await page.disconnect()
