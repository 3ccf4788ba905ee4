"""Django's makemessages, which also reads the sentences of modules that know no Django (kvmconsole/sentences.py)."""

from functools import cached_property
from pathlib import Path

from django.core.management.commands import makemessages

from kvmconsole.sentences import has_sentences, sentences


class BuildFile(makemessages.BuildFile):
    """A module with such sentences is read from a copy that also marks them."""

    @property
    def speaks(self) -> bool:
        return self.domain == "django" and has_sentences(self.path)

    @cached_property
    def is_templatized(self) -> bool:
        return self.speaks or super().is_templatized

    def preprocess(self) -> None:
        if not self.speaks:
            super().preprocess()
            return
        source = Path(self.path).read_text(encoding="utf-8")
        marked = "".join(f"gettext_noop({said!r})\n" for said in sentences(source))
        Path(self.work_path).write_text(f"{source}\n{marked}", encoding="utf-8")


class Command(makemessages.Command):
    build_file_class = BuildFile
