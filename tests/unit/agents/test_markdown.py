"""An agent's file: both layouts are read, a change touches what it is about, and what is wrong is told by its line."""

import re
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from core.agents.agent import Agent
from core.agents.markdown import decode, read, write
from tests.unit.agents.conformance import WHOLE

PROMPT_ABOVE = """\
---
# of the team
id: a
name: "Old"   # shown
mood: [calm,
       kind]
model: x
# about options
options:   # all
    # inner
    temperature: 0.25  # cool

    seed: 1   # why not
tools: # some
  - clock  # one
  - dice
# about the prompt
system_prompt: |
  Old.

  More.

tail: !ours {a: 1}
born: 2024-02-31
# the end
---

# Context
---
"""
PROMPT_BELOW = """\
---
name: Old
description: >-
   folded
   text
tools:
- clock
---
You are Old.
"""
pytestmark = pytest.mark.usefixtures("loader")


def changed(document: str, **members: Any) -> str:
    text = write(msgspec.structs.replace(read("a", document), **members)).document
    assert text is not None
    return text


def test_a_prompt_above_and_a_context_below() -> None:
    agent = read("a", PROMPT_ABOVE)
    assert (agent.name, agent.system_prompt) == ("Old", "Old.\n\nMore.\n")
    assert agent.markdown_context == "# Context\n---\n"
    assert (agent.model, agent.options, agent.tools) == ("x", {"temperature": 0.25, "seed": 1}, ["clock", "dice"])
    assert agent.owner is None


def test_a_prompt_below() -> None:
    agent = read("a", PROMPT_BELOW)
    assert (agent.system_prompt, agent.markdown_context) == ("You are Old.\n", "")
    assert (agent.name, agent.model, agent.options, agent.tools) == ("Old", None, {}, ["clock"])


@pytest.mark.parametrize("document", [PROMPT_ABOVE, PROMPT_BELOW])
def test_nothing_changes_where_nothing_is_changed(document: str) -> None:
    assert changed(document) == document


@pytest.mark.parametrize(
    ("members", "before", "after"),
    [
        ({"name": "New: 1"}, 'name: "Old"   # shown', "name: 'New: 1'   # shown"),
        ({"model": "y"}, "model: x", "model: y"),
        ({"model": None}, "model: x\n", ""),
        ({"options": {"temperature": 0.5, "seed": 1}}, "temperature: 0.25  # cool", "temperature: 0.5  # cool"),
        ({"options": {"seed": 1}}, "    temperature: 0.25  # cool\n", ""),
        ({"options": {"temperature": 0.25, "seed": 1, "top_p": 0.1}}, "# why not\n", "# why not\n    top_p: 0.1\n"),
        ({"tools": ["rope"]}, "tools: # some\n  - clock  # one\n  - dice\n", "tools:\n- rope\n"),
        ({"system_prompt": "New.\n"}, "|\n  Old.\n\n  More.\n", "|\n  New.\n"),
        ({"system_prompt": "New."}, "|\n  Old.\n\n  More.\n", "New.\n"),
        ({"markdown_context": "New."}, "# Context\n---\n", "New."),
        ({"markdown_context": ""}, "---\n\n# Context\n---\n", "---\n"),
        ({"owner": "alice"}, "born: 2024-02-31\n", "born: 2024-02-31\nowner: alice\n"),
    ],
    ids=str,
)
def test_only_the_lines_of_what_changes_are_touched(members: dict[str, Any], before: str, after: str) -> None:
    assert before in PROMPT_ABOVE
    assert changed(PROMPT_ABOVE, **members) == PROMPT_ABOVE.replace(before, after)


def test_options_go_with_their_last_one() -> None:
    text = changed(PROMPT_ABOVE, options={}, tools=[])
    assert re.search("options|tools", text.replace("# about options", "")) is None
    assert "model: x\n# about options\n# about the prompt\nsystem_prompt" in text


def test_a_prompt_stays_where_it_was() -> None:
    assert changed(PROMPT_BELOW, system_prompt="You are New.") == PROMPT_BELOW.replace("You are Old.\n", "You are New.")
    with_context = changed(PROMPT_BELOW, markdown_context="- one\n- two\n")
    assert with_context == PROMPT_BELOW.replace("- clock\n", "- clock\nmarkdown_context: |\n  - one\n  - two\n")
    assert changed(with_context, markdown_context="") == PROMPT_BELOW


def test_a_new_file_has_its_prompt_above() -> None:
    agent = Agent(id="a", name="A", system_prompt="You are A.\nBe kind.\n", options={"seed": 1}, owner="alice")
    assert write(agent).document == (
        "---\nname: A\nsystem_prompt: |\n  You are A.\n  Be kind.\noptions:\n  seed: 1\nowner: alice\n---\n"
    )
    context = msgspec.structs.replace(agent, markdown_context="# Notes\n")
    assert (write(context).document or "").endswith("owner: alice\n---\n\n# Notes\n")


def test_lines_may_end_as_windows_ends_them() -> None:
    windows = PROMPT_ABOVE.replace("\n", "\r\n")
    assert read("a", windows).version == read("a", PROMPT_ABOVE).version
    assert changed(windows, name="New") == changed(PROMPT_ABOVE, name="New").replace("\n", "\r\n")
    assert read("a", changed(windows, markdown_context="a\rb\r\nc")).markdown_context == "a\rb\r\nc"


def test_a_byte_order_mark_is_passed_over() -> None:
    assert decode(b"\xef\xbb\xbf" + PROMPT_BELOW.encode()) == PROMPT_BELOW


@pytest.mark.parametrize(
    ("text", "context"),
    [("---\nn\n---", ""), ("---\nn\n---\n", ""), ("---\nn\n---\n\n", ""), ("---\nn\n---\n\n\n a\n\n", "\n a\n\n")],
)
def test_one_blank_line_before_the_text_is_no_part_of_it(text: str, context: str) -> None:
    read_text = read("a", text.replace("n\n", "name: A\nsystem_prompt: a\n", 1))
    assert read_text.markdown_context == context
    assert changed(read_text.document or "", markdown_context="\n b").endswith("---\n\n\n b")


AWKWARD = [
    *("a\u00a0", "a\x85", "a\u2028b", "a\x07", "\ufeffa", "😀"),
    *("\na", "a\n\n", "a \nb", " a\nb", "\ta\n", "a\rb\n", "a\r\nb\r\n", "a\n\n  b\n"),
    *(
        "---",
        "---\n",
        "a\n---\n",
        "...",
        "# a",
        "- a",
        "a: b",
        "a: b\n",
        "'a\"\n",
        "{a",
        "*a",
        "%a",
        "? a",
        "|\n",
        "yes",
        "1e3",
    ),
]
"""Texts that YAML has to write in ways of their own, or that look like a part of the file."""


@pytest.mark.parametrize("text", AWKWARD, ids=ascii)
def test_texts_that_yaml_has_ways_of_its_own_for(text: str) -> None:
    for document in (None, PROMPT_ABOVE, PROMPT_BELOW, PROMPT_ABOVE.replace("\n", "\r\n")):
        for options in ({}, {"stop": text}, {"stop": ["a", text]}):
            agent = Agent(id="a", name="A\u00a0", system_prompt=text, markdown_context=text, options=options)
            once = write(msgspec.structs.replace(agent, document=document)).document
            again = write(msgspec.structs.replace(agent, name="B", document=once)).document
            assert (read("a", once or "").system_prompt, read("a", again or "").markdown_context) == (text, text)
            assert read("a", again or "").options == options


LINES = [
    "",
    "a",
    "- b",
    " c",
    "---",
    "...",
    "# d",
    "e: f",
    "\t",
    "x ",
    "'",
    '"',
    "|",
    "{",
    "*a",
    "&b",
    "!c",
    "%d",
    "\r",
]
TEXTS = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
    st.lists(st.sampled_from([*LINES, "\u2028", "\x85", "é😀"]), max_size=6).map("\n".join),
)
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=9).filter(str.strip)
AGENTS = st.builds(
    Agent,
    id=st.just("a"),
    name=NAMES,
    system_prompt=TEXTS.filter(str.strip),
    markdown_context=TEXTS,
    model=st.none() | st.from_regex(r"\A[\x21-\x7e]{1,9}\Z"),
    options=st.fixed_dictionaries(
        {},
        optional={"temperature": st.floats(0, 2), "stop": TEXTS | st.lists(TEXTS, max_size=2), "seed": st.integers()},
    ),
    tools=st.lists(st.from_regex(r"\A[a-zA-Z0-9_-]{1,5}\Z"), unique=True, max_size=2),
    owner=st.none() | st.just("alice"),
)
OTHERS = ("# of the team\nid: a\n", "mood: [calm,\n       kind]\n", "# about options\n", "# about the prompt\n")
ENDS = ("tail: !ours {a: 1}\nborn: 2024-02-31\n", "# the end\n---\n")


@settings(max_examples=60)
@given(AGENTS, AGENTS)
def test_whatever_an_agent_says_its_file_says_it_and_keeps_what_else_is_there(first: Agent, second: Agent) -> None:
    for document in (None, PROMPT_ABOVE, PROMPT_BELOW, PROMPT_ABOVE.replace("\n", "\r\n")):
        for agent in (first, second):
            document = write(msgspec.structs.replace(agent, document=document)).document
            assert document is not None
            assert read("a", document).version == agent.version
            kept = document.replace("\r\n", "\n")
            assert ("mood" in kept) == all(other in kept for other in (*OTHERS, *ENDS))
            assert ("description" in kept) == ("description: >-\n   folded\n   text\n" in kept)


def test_the_longest_agent_fits() -> None:
    prompt, context = "😀\x01" * 16_000, "😀\n" * 50_000
    longest: dict[str, Any] = {**WHOLE, "system_prompt": prompt, "markdown_context": context}
    agent = Agent(id="a", **longest)
    for document in (None, PROMPT_BELOW):
        written = write(msgspec.structs.replace(agent, document=document))
        assert (written.system_prompt, written.markdown_context) == (prompt, context)
