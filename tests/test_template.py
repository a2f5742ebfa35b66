"""Chat templates: rendered as transformers does, refused with their own words, and kept within bounds."""

import pytest

from function.engine.template import BuiltinTemplate, JinjaTemplate
from function.errors import ModelError, RequestError

USER = [{"role": "user", "content": "Hi <b> ñ"}]


def test_messages_and_special_tokens_reach_the_template() -> None:
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
    ],
)
def test_what_models_templates_use_works(source: str, expected: str) -> None:
    assert JinjaTemplate(source).render(USER, extra="yes") == expected


def test_a_refusal_is_passed_on_in_its_own_words() -> None:
    template = JinjaTemplate("{{ raise_exception('Roles must alternate!') }}")
    with pytest.raises(RequestError, match="Roles must alternate!"):
        template.render(USER)


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages[5].content }}",
        "{{ 1 / 0 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ messages.append(1) }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{% include 'x' %}",
    ],
)
def test_a_template_that_fails_or_reaches_out_is_an_error(source: str) -> None:
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
            )
        ),
        "{{ [1] | batch(10000000000, 'x') | list }}",
        "{{ [1] | slice(10000000000) | list }}",
        "{% set a = 2 ** 8000000 %}" + "{% set b = a * a %}" * 50,
        "{{ ('x' * 10000000) | wordwrap(1) }}",
        "{{ ('http://a.b ' * 1000000) | urlize }}",
    ],
)
def test_a_hostile_template_is_stopped(source: str) -> None:
    template = JinjaTemplate(source, time_limit=0.2)
    with pytest.raises(RequestError, match="chat template fails"):
        template.render(USER)


def test_what_holds_itself_is_not_written_out() -> None:
    source = "{% set a = namespace() %}{% set b = namespace(x=a, y=a) %}{% set a.z = b %}{{ b }}"
    assert JinjaTemplate(source).render(USER) == "<Namespace>"


def test_what_is_no_jinja_is_the_models_fault() -> None:
    with pytest.raises(ModelError, match="CHAT_TEMPLATE"):
        JinjaTemplate("{% for %}")


def test_llama_cpps_own_templates_go_by_name() -> None:
    text = BuiltinTemplate("llama2-sys-bos").render([{"role": "system", "content": "Be brief."}, *USER])
    assert text == "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi <b> ñ [/INST]"
    assert BuiltinTemplate("chatml").render(USER) == "<|im_start|>user\nHi <b> ñ<|im_end|>\n<|im_start|>assistant\n"


def test_a_builtin_template_takes_the_texts_of_parts() -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": "a\0"}, {"type": "text", "text": "b"}]}]
    assert "a\ufffdb<|im_end|>" in BuiltinTemplate("chatml").render(parts)


def test_a_long_message_fits_a_builtin_template() -> None:
    long = "ñ" * 100_000
    assert long in BuiltinTemplate("llama2-sys-bos").render([{"role": "user", "content": long}])


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(ModelError, match="nonesuch"):
        BuiltinTemplate("nonesuch")
