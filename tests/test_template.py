"""Chat templates: rendered as transformers does, refused in their own words, and kept within limits."""

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from function.engine.template.renderer import Renderer
from function.engine.template.sandbox import MAX_PROMPT_CHARS
from function.engine.template.template import BuiltinTemplate, JinjaTemplate, ToolUseTemplate
from function.errors import ModelError, RequestError
from tests.template_attacks import attacks, ends_of

USER = [{"role": "user", "content": "Hi <b> ñ"}]


def test_template_gets_messages_and_special_tokens() -> None:
    source = "{{ bos_token }}{% for m in messages %}\n  {{ m.role }}: {{ m['content'] }}{{ eos_token }}\n{% endfor %}"
    source += "{% if add_generation_prompt %}assistant:{% endif %}"
    assert JinjaTemplate(source, bos="<s>", eos="</s>").render(USER) == "<s>  user: Hi <b> ñ</s>\nassistant:"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ messages | tojson }}", '[{"role": "user", "content": "Hi <b> ñ"}]'),
        ("{% for i in range(9) %}{{ i }}{% if i == 2 %}{% break %}{% endif %}{% endfor %}", "012"),
        ("{% generation %}reply{% endgeneration %}", "reply"),
        ("{% set ns = namespace(n=1) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}", "2"),
        ("{% macro f(x) %}<{{ x ~ 1 }}>{% endmacro %}{{ f('a') }}{{ 'b' + 'c' }}{{ 'd' * 3 }}", "<a1>bcddd"),
        ("{{ tools is none }}{{ tools is defined }}{{ documents }}", "TrueTrueNone"),
        ("{% set x %}a{{ 1 }}{% endset %}{{ x }}{{ 7 % 4 }}", "a13"),
        ("{{ messages[0].content.split(' ')[0] | upper | trim }}", "HI"),
        ("{{ strftime_now('%Y') | length }}", "4"),
        ("{{ missing }}{{ extra }}", "yes"),
        (
            "{{ messages[0] | tojson(indent=2, ensure_ascii=true) }}",
            '{\n  "role": "user",\n  "content": "Hi <b> \\u00f1"\n}',
        ),
        ("{{ {'b': 1, 'a': 2} | tojson(separators=(',', ':'), sort_keys=true) }}", '{"a":2,"b":1}'),
        ("{{ '<{}|{:>4}|{:.2f}>'.format('x', 1, 2.5) }}{{ '%s' }}", "<x|   1|2.50>%s"),
        (
            "{{ 'a\nb' | indent(2, first=true) }}{{ '7' | int + 2.5 | round | int }}{{ 2.345 | round(1) }}",
            "  a\n  b92.3",
        ),
        ("{% for k, v in {'b': 1, 'a': 2} | dictsort %}{{ k }}{{ v }}{% endfor %}", "a2b1"),
        ("{{ ['b', 'a'] | sort | map('upper') | join('-') }}{{ [1, 2] | sum }}{{ ('<' | safe) + '&' }}", "A-B3<&amp;"),
        ("{{ [{'a': 1}, {'a': 2}] | map(attribute='a') | max }}{{ [{'a': 1}] | sum(attribute='a') }}", "21"),
        (
            "{{ messages[0].content[:2] }}{{ messages[0].get('x', 'y') }}{{ (1, 2)[::-1] }}{{ [1, 2, 3][1:] }}",
            "Hiy(2, 1)[2, 3]",
        ),
    ],
)
def test_template_features_of_models_work(source: str, expected: str) -> None:
    assert JinjaTemplate(source).render(USER, extra="yes") == expected


def test_refusal_is_reported_in_the_words_of_the_template() -> None:
    template = JinjaTemplate("{{ raise_exception('Roles must alternate!') }}")
    with pytest.raises(RequestError, match="Roles must alternate!"):
        template.render(USER)


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages[5].content }}",
        "{{ 1 / 0 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ messages[0].update(role='system') }}",
        "{{ (messages | attr('__class__')).mro() }}",
        "{{ '{0.__class__.__mro__}'.format(messages) }}",
        "{{ ('{0.__class__.__mro__}' | attr('format'))(messages) }}",
        "{{ messages | map(attribute='__class__') | first + 1 }}",
        "{{ raise_exception.__globals__.x }}",
        "{{ strftime_now.__self__.x }}",
        "{{ self._TemplateReference__context.environment }}",
        "{% macro f() %}{% endmacro %}{{ f._func.__globals__ }}",
        "{{ messages.append(1) }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{% include 'x' %}",
    ],
)
def test_template_that_fails_or_reaches_for_python_is_an_error(source: str) -> None:
    with pytest.raises(RequestError, match="chat template fails"):
        JinjaTemplate(source).render(USER)


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(100000) %}" * 3 + "{% endfor %}" * 3,
        "{% for i in range(100000) %}{% for j in range(100000) %}" + "x" * 1000 + "{% endfor %}{% endfor %}",
        "{{ range(1000000000) | list }}",
        "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{{ 'x' * 10 ** 10 }}",
        "{{ 10 ** (10 ** 10) }}",
        "{{ 'x'.ljust(10000000000) }}",
        "{{ '%10000000000d' % 1 }}",
        "{{ '%10000000000d' | format(1) }}",
        "{{ 'x' | center(10000000000) }}",
        "{{ 'x\ny' | indent(10000000000) }}",
        "{{ messages | tojson(indent=10000000000) }}",
        "{% macro f() %}{% for i in range(9999) %}{{ 'x' * 9999 }}{% endfor %}{% endmacro %}{{ f() }}",
        # What grows without a loop over it: each step is one operation.
        *(
            "{% set ns = namespace(s='xx') %}{% for i in range(40) %}{% set ns.s = " + grown + " %}{% endfor %}"
            for grown in (
                "ns.s | replace('x', 'xx')",
                "ns.s.replace('', 'xx')",
                "ns.s.join([ns.s, ns.s, ns.s])",
                "ns.s.join([ns.s, ns.s, ns.s] | map('trim'))",
                "[ns.s, ns.s, ns.s] | join(ns.s)",
                "ns.s.translate({120: 'xx'})",
                "ns.s.encode().replace(''.encode(), ns.s.encode())",
            )
        ),
        # What is small until somebody looks inside: a list of lists, each twice in the next.
        *(
            "{% set ns = namespace(s=('x',), t=('x',)) %}{% for i in range(40) %}{% set ns.s = (ns.s, ns.s) %}"
            "{% set ns.t = (ns.t, ns.t) %}{% endfor %}" + looked
            for looked in (
                "{{ ns.s }}",
                "{{ ns.s ~ '' }}",
                "{{ ns.s | string }}",
                "{{ ns.s | tojson }}",
                "{{ ns.s | upper }}",
                "{{ [ns.s] | unique | list }}",
                "{{ [ns.s, ns.t] | sort }}",
                "{{ ns.s == ns.t }}",
                "{{ ns.s is eq(ns.t) }}",
                "{{ ns.s in [ns.t] }}",
                "{{ [ns.t].index(ns.s) }}",
                "{{ {ns.s: 1} }}",
                "{{ {}[ns.s] }}",
                "{{ dict([(ns.s, 1)]) }}",
                "{{ raise_exception(ns.s) }}",
                "{{ messages | map(ns.s) | list }}",
                "{{ messages | select(ns.s) | list }}",
                "{{ messages | rejectattr('role', ns.s) | list }}",
            )
        ),
        "{{ [1] | batch(10000000000, 'x') | list }}",
        "{{ [1] | slice(10000000000) | list }}",
        "{% set a = 2 ** 8000000 %}" + "{% set b = a * a %}" * 50,
        "{{ ('x' * 10000000) | wordwrap(1) }}",
        "{{ ('http://a.b ' * 1000000) | urlize }}",
        # One call that computes for minutes, with the interpreter's lock held.
        "{{ 5 | round(-200000000) }}",
        "{{ 0x" + "f" * 400000 + " // 0x" + "f" * 200000 + " }}",
        "{{ ('f' * 200000) | int(0, 16) // ('f' * 100000) | int(0, 16) }}",
        "{{ ('x' * 8000000).rfind('xy' + 'x' * 4000000) }}",
        "{{ ('x' * 8000000).rsplit('xy' + 'x' * 4000000) | length }}",
        "{{ ('x' * 8000000).strip('y' * 4000000 + 'x') | length }}",
        "{{ ('x' * 8000000) | trim('y' * 4000000 + 'x') | length }}",
        "{{ ([[1]] * 200000) | sum(start=[]) }}",
        "{{ ([2 ** 4000] * 190000) | string }}",
        # One call that goes on in Python, where no loop of the template looks at the clock.
        "{{ range(100000) | select('eq', [1] * 199000) | list }}",
        "{{ ('<!--x-->' * 2000000) | striptags }}",
        "{{ messages | sort(attribute='a,' * 400000) }}",
        # What makes much of little.
        "{{ ('\n' * 15000000) | indent(1000, true, true) }}",
        "{{ ('\n' * 190000) | indent('x' * 20000, true, true) }}",
        "{{ (5).to_bytes(20000000, 'big') }}",
        "{{ (5).to_bytes(1, 'big').ljust(30000000) }}",
        "{{ messages | tojson(indent='x' * 10000000) }}",
        "{{ messages | tojson(cls=dict) }}",
        "{{ '{:100000000}'.format(1) }}",
        "{{ '{:{}}'.format(1, 100000000) }}",
        "{{ ('{0:999}' * 100000).format(1) }}",
        "{{ '{0.x}'.format_map({'0': 1}) }}",
        "{{ (('x' * 3000) | safe).replace('', 'x' * 100000) }}",
        "{{ ('x' * 16000000) | safe + '&' * 16000000 }}",
        "{{ ('中' * 16000000) | list }}",
        "{% for c in '中' * 16000000 %}{{ loop.length }}{% endfor %}",
        "{{ ('a ' * 8000000).split() }}",
        "{{ ('a ' * 8000000) | title }}",
        "{{ ('\n' * 8000000).splitlines() }}",
        "{{ 7 is divisibleby('x') }}",
        # What is small each time, and kept.
        *(
            "{% set ns = namespace(l=()) %}{% set s = 'x' * 16000000 %}{% for i in range(1000) %}{% set ns.l = (ns.l, "
            + kept
            + ") %}{% endfor %}"
            for kept in ("s[1:]", "s | upper", "s ~ 'x'", "s.split('q')", "s.upper()", "[1] * 199999")
        ),
        "{% macro f() %}{% for i in range(1000) %}{{ ['x' * 16000000] }}{% endfor %}{% endmacro %}{{ f() }}",
        # What is deep until Python goes down into it.
        "{% set ns = namespace(s=()) %}{% for i in range(90000) %}{% set ns.s = (ns.s,) %}{% endfor %}{{ {ns.s: 1} }}",
        # What hides what is inside of it.
        *(
            "{% set ns = namespace(s=('x',), t=('x',)) %}{% for i in range(40) %}{% set ns.s = (ns.s, ns.s) %}"
            "{% set ns.t = (ns.t, ns.t) %}{% endfor %}" + looked
            for looked in (
                "{{ {1: ns.s}.items() }}",
                "{{ {1: ns.s}.items() - 'x' }}",
                "{{ [ns, namespace(s=ns.t)] | unique(attribute='s') | list }}",
                "{{ [ns] | join(attribute='s') }}",
                "{% for i in (0, 1) %}{{ loop.changed((ns.s, ns.t)[i]) }}{% endfor %}",
                "{{ ns.s is upper }}",
                "{{ ns.s is filter }}",
                "{{ '{}'.format(ns.s) }}",
            )
        ),
    ],
)
def test_hostile_template_is_stopped(source: str) -> None:
    with pytest.raises((RequestError, ModelError), match=r"The (model's )?chat template "):
        JinjaTemplate(source, cpu_seconds=0.1).render(USER)
    assert JinjaTemplate("{{ messages[0].content }}").render(USER) == "Hi <b> ñ"


@pytest.mark.parametrize(
    "source",
    [
        "{{ 0x" + "f" * 3000 + " * 1 }}",
        "{{ 0x" + "f" * 3000 + " is divisibleby(3) }}",
        "{{ messages | tojson(separators=('x' * 10000000, ':')) }}",
        "{{ strftime_now('%100000000Y') }}",
        "{{ '%100000000d' is odd }}",
        "{{ dict.fromkeys(range(100000)) }}",
        "{% set a = namespace() %}{% set b = namespace(x=a, y=a) %}{% set a.z = b %}{{ b }}",
    ],
)
def test_costly_template_within_limits_is_rendered(source: str) -> None:
    assert len(JinjaTemplate(source).render(USER)) <= MAX_PROMPT_CHARS


@pytest.mark.parametrize("count", [120, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(3000)])])
def test_random_attacks_end_within_limits(count: int) -> None:
    """Apply every filter, test, method and operator to large values."""
    sources = attacks(seed=count, count=count)
    ended, output = ends_of(sources)
    assert len(ended) == count, (output, sources[len(ended)])
    assert {"ok", "refused"} == set(ended)


def test_long_chain_of_filters_costs_only_the_renderer() -> None:
    """Each is a generator over the one before it; Python frees them by recursion, as deep as they are nested."""
    source = (
        "{% set ns = namespace(s=('a',)) %}{% for i in range(90000) %}{% set ns.s = ns.s | map('trim') %}{% endfor %}"
    )
    with suppress(RequestError):
        assert JinjaTemplate(source + "{{ ns.s | first }}").render(USER) == "a"
    assert JinjaTemplate("{{ messages[0].content }}").render(USER) == "Hi <b> ñ"


def test_empty_selection_is_true() -> None:
    """As in transformers, where it is a generator."""
    assert JinjaTemplate("{{ 1 if messages | selectattr('role', 'equalto', 'x') else 2 }}").render(USER) == "1"


def test_long_refusal_is_shortened() -> None:
    with pytest.raises(RequestError) as caught:
        JinjaTemplate("{{ raise_exception('x' * 9000000) }}").render(USER)
    assert len(caught.value.message) < 2000


def test_long_conversation_is_within_limits() -> None:
    messages = [{"role": role, "content": "word " * 400} for role in ("user", "assistant")] * 300
    source = "{% set ns = namespace(s='') %}{% for m in messages %}{% set ns.s = ns.s + m.content | trim %}{% endfor %}"
    source += "{% for m in messages %}{{ m | tojson }}{{ messages | length }}{% endfor %}{{ ns.s | length }}"
    text = JinjaTemplate(source).render(messages)
    assert text.endswith(str(600 * (2000 - 1)))


@pytest.mark.parametrize(
    "source",
    [
        "{% for %}",
        "{{ " + "9" * 5000 + " }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ messages | nonesuch }}",
        "x" * ((1 << 20) + 1),
    ],
)
def test_invalid_jinja_is_a_model_error(source: str) -> None:
    with pytest.raises(ModelError, match="CHAT_TEMPLATE"):
        JinjaTemplate(source)


def test_builtin_template_is_found_by_name() -> None:
    text = BuiltinTemplate("llama2-sys-bos").render([{"role": "system", "content": "Be brief."}, *USER])
    assert text == "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi <b> ñ [/INST]"
    assert BuiltinTemplate("chatml").render(USER) == "<|im_start|>user\nHi <b> ñ<|im_end|>\n<|im_start|>assistant\n"


def test_builtin_template_joins_texts_of_parts() -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": "a\0"}, {"type": "text", "text": "b"}]}]
    assert "a\ufffdb<|im_end|>" in BuiltinTemplate("chatml").render(parts)


def test_builtin_template_takes_a_long_message() -> None:
    long = "ñ" * 100_000
    assert long in BuiltinTemplate("llama2-sys-bos").render([{"role": "user", "content": long}])


def test_builtin_template_with_unknown_name_is_an_error() -> None:
    with pytest.raises(ModelError, match="nonesuch"):
        BuiltinTemplate("nonesuch")


def test_error_names_the_line_of_the_template() -> None:
    template = JinjaTemplate("{% for m in messages %}\n  {{ m.content.nonesuch.deeper }}\n{% endfor %}")
    with pytest.raises(RequestError, match=r"\(line 2: \{\{ m\.content\.nonesuch\.deeper \}\}\)"):
        template.render(USER)
    with pytest.raises(ModelError, match=r"No filter named 'nonesuch' \(line 2: \{\{ 1 \| nonesuch \}\}\)"):
        JinjaTemplate("{{ 1 }}\n{{ 1 | nonesuch }}")


def test_variables_of_a_template_are_found() -> None:
    template = JinjaTemplate("{{ messages[0].role }}{% if mode is defined %}{{ strftime_now(form) }}{% endif %}")
    assert template.variables == {"messages", "mode", "strftime_now", "form"}


def test_absent_tools_are_an_empty_list_for_a_template_that_loops_over_them() -> None:
    source = "{% for tool in tools %}{{ tool }}{% endfor %}{{ messages[0].content }}"
    assert JinjaTemplate(source).render(USER) == "Hi <b> ñ"
    assert JinjaTemplate(source).render(USER, tools=["t"]) == "tHi <b> ñ"


def test_thinking_is_enabled_unless_set() -> None:
    template = JinjaTemplate("{{ messages[0].content }}{{ enable_thinking }}")
    assert template.render(USER) == "Hi <b> ñTrue"
    assert template.render(USER, enable_thinking=False) == "Hi <b> ñFalse"


def test_date_is_today_unless_set() -> None:
    template = JinjaTemplate("{{ date_string == strftime_now('%d %b %Y') }}{{ datetime == strftime_now('%b %d %Y') }}")
    assert template.render(USER) == "TrueTrue"
    assert template.render(USER, date_string="26 Jul 2024") == "FalseTrue"


def test_template_that_needs_typed_parts_gets_them() -> None:
    source = "{% for m in messages %}{% for part in m.content %}{{ part.text }}{% endfor %};{% endfor %}"
    assert JinjaTemplate(source).render([*USER, {"role": "assistant", "content": [{"text": "x"}]}]) == "Hi <b> ñ;x;"


def test_template_that_loses_text_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    JinjaTemplate("{{ messages[0].role }}")
    assert "does not write the text of a user message" in caplog.text
    caplog.clear()
    JinjaTemplate("{{ messages[0].content }}")
    assert not caplog.text


def test_tool_use_template_renders_requests_with_tools() -> None:
    template = ToolUseTemplate("{{ messages[0].content }}{{ a }}", "{{ messages[0].content }}{{ b }}{{ tools }}")
    assert template.render(USER) == template.render(USER, tools=[]) == "Hi <b> ñ"
    assert template.render(USER, tools=[1]) == "Hi <b> ñ[1]"
    assert template.variables == {"messages", "tools", "a", "b"}


def test_lone_surrogates_reach_the_prompt() -> None:
    assert JinjaTemplate("{{ messages[0].content }}").render([{"role": "user", "content": "\ud800"}]) == "\ud800"


def test_renderer_serves_several_threads() -> None:
    template = JinjaTemplate("{{ messages[0].content }}")
    wrong: list[str] = []

    def render(number: int) -> None:
        for count in range(50):
            text = f"{number} {count}" * 1000
            if template.render([{"role": "user", "content": text}]) != text:
                wrong.append(text)

    threads = [threading.Thread(target=render, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.fixture
def own_renderer() -> Iterator[Renderer]:
    """Return a renderer that the test may end."""
    renderer = Renderer()
    yield renderer
    renderer.close()


def test_renderer_that_exceeds_a_limit_is_replaced(own_renderer: Renderer) -> None:
    for _ in range(2):
        assert own_renderer.request("{{ x }}", {"x": "text"}, 5) == ("rendered", "text")
        assert own_renderer.request("{{ x.y.z }}", {"x": "text"}, 5)[0] == "failed"
        kind, text = own_renderer.request("{{ 'x' * 10 ** 9 ~ x }}", {"x": "text"}, 5)
        assert (kind, "256 MiB" in text) == ("exceeded", True)


def test_renderer_starts_as_a_script_beside_threads(own_renderer: Renderer) -> None:
    """A fork would copy locks that other threads hold."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert own_renderer.request("{{ messages | tojson }}", {"messages": USER}, 5)[0] == "rendered"
    finally:
        done.set()
        thread.join()
