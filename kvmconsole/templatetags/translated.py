"""`translate` and `blocktranslate` as Django has them, but translated when a template is compiled, not each time it is shown.

A list says the same words in each of its rows: looked up there, they made the list of VMs a third slower. TranslatedLoader
keeps a compiled template for each language, so what is fixed becomes plain text in it.
"""

import re

from django.template import Context, Library, Node, TemplateSyntaxError
from django.template.base import NodeList, Parser, TextNode, Token, VariableNode
from django.templatetags import i18n
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext

register = Library()
PIECE = re.compile(r"%\((\w+)\)s")


@register.tag("translate")
def do_translate(parser: Parser, token: Token) -> Node:
    node = i18n.do_translate(parser, token)
    expression = node.filter_expression
    words = getattr(expression.var, "literal", None)
    if not isinstance(words, str) or not words or expression.filters or node.asvar or node.noop or node.message_context:
        return node  # what is not known before the page is shown
    return TextNode(gettext(words.replace("%", "%%")).replace("%%", "%"))


@register.tag("blocktranslate")
def do_block_translate(parser: Parser, token: Token) -> Node:
    node = i18n.do_block_translate(parser, token)
    return node if node.message_context else Sentence(node, parser, token)


class Sentence(Node):
    """The words of one `blocktranslate` in the language that the template was compiled for."""

    child_nodelists = ()

    def __init__(self, node: i18n.BlockTranslateNode, parser: Parser, token: Token) -> None:
        self.token = token
        self.counter, self.asvar = node.counter, node.asvar
        self.singular, names = node.render_token_list(node.singular)
        self.plural, more = node.render_token_list(node.plural) if node.plural else ("", [])
        bound = node.extra_context | ({node.countervar: node.counter} if node.plural else {})
        self.values = {name: bound.get(name) or parser.compile_filter(name) for name in {*names, *more}}
        self.forms: dict[str, NodeList] = {}
        self.only = None if self.plural else self.pieces(gettext(self.singular))

    def pieces(self, words: str) -> NodeList:
        """Text and variables in the order in which the language has them."""
        found = NodeList()
        for place, piece in enumerate(PIECE.split(words)):
            one = VariableNode(self.values[piece]) if place % 2 else TextNode(piece.replace("%%", "%"))
            one.token = self.token
            found.append(one)
        return found

    def render(self, context: Context) -> SafeString:
        nodes = self.only or self.form_for(context)
        said = nodes.render(context)
        if self.asvar:
            context[self.asvar] = said
            return mark_safe("")
        return said

    def form_for(self, context: Context) -> NodeList:
        """The form that the language has for this number."""
        count = (self.counter.resolve(context) or 0) if self.counter else None
        if not isinstance(count, float | int):
            raise TemplateSyntaxError(f"{count!r} is no number to count by.")
        words = ngettext(self.singular, self.plural, count)
        if words not in self.forms:
            self.forms[words] = self.pieces(words)
        return self.forms[words]
