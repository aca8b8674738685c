"""What is wrong with an agent's file is told by its line, without a word of what it says."""

import re

import pytest

from core.agents.markdown import MAX_BYTES, BadDocument, decode, read

pytestmark = pytest.mark.usefixtures("loader")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: there is no line --- that begins"),
        ("You are A.\n", "line 1: there is no line --- that begins"),
        ("\n---\nname: A\n---\nsecret\n", "line 1: there is no line --- that begins"),
        ("---\nname: A\nsecret\n", "line 1: there is no line --- that ends"),
        ("---\nname: A\n ---\nsecret\n", "line 1: there is no line --- that ends"),
        ("---\n---\nsecret\n", "name: is missing"),
        ("---\nname: A\n---\n", "line 4: system_prompt: String should have at least 1 character"),
        ("---\nname: A\n---\n\n \n", "line 5: system_prompt: must not be blank"),
        ("---\nname: A\nsystem_prompt:\n---\nsecret\n", "line 3: system_prompt: is missing"),
        ("---\nname: 1\n---\nsecret\n", "line 2: name: Input should be a valid string"),
        ("---\nname: [secret]\n---\nsecret\n", "line 2: name: Input should be a valid string"),
        ("---\n\nname: |\n  sec\n  ret\n---\nx\n", "line 3: name: must not contain control characters"),
        (f"---\nname: {'secret' * 40}\n---\nx\n", "line 2: name: String should have at most 200 characters"),
        (
            f"---\nname: A\n---\n{'secret' * 6000}\n",
            "line 4: system_prompt: String should have at most 32000 characters",
        ),
        (
            f"---\nname: A\nsystem_prompt: x\n---\n{'secret' * 20000}\n",
            "line 5: markdown_context: String should have at most 100000 characters",
        ),
        ("---\nname: A\nmodel: se cret\n---\nx\n", "line 3: model: String should match pattern"),
        ("---\nname: A\noptions: secret\n---\nx\n", "line 3: options: Input should be"),
        ("---\nname: A\noptions:\n  seed: 1\n  secret: 1\n---\nx\n", "line 5: options: Extra inputs are not permitted"),
        (
            "---\nname: A\noptions:\n\n  temperature: secret\n---\nx\n",
            "line 5: options: Input should be a valid number",
        ),
        ("---\nname: A\noptions: {temperature: 3}\n---\nx\n", "line 3: options: Input should be less than"),
        (f"---\nname: A\noptions: {{stop: {'secret' * 200}}}\n---\nx\n", "line 3: options: stop has at most 1000"),
        ("---\nname: A\ntools: secret\n---\nx\n", "line 3: tools: Input should be a valid list"),
        ("---\nname: A\ntools: [se cret]\n---\nx\n", "line 3: tools: String should match pattern"),
        ("---\nname: A\ntools: [secret, secret]\n---\nx\n", "line 3: tools: must not name a tool twice"),
        (
            f"---\nname: A\ntools: {[f't{n}' for n in range(65)]}\n---\nx\n",
            "line 3: tools: List should have at most 64",
        ),
        ("---\nname: A\nowner: se/cret\n---\nx\n", "line 3: owner: must be the name of an API key"),
        ("---\nname: A\nid: secret\n---\nx\n", "line 3: id: is not what the file is called"),
        ("---\nname: A\nname: secret\n---\nx\n", "line 3: has a key for the second time"),
        ("---\nname: A\nx: &a secret\ny: *a\n---\nx\n", "line 4: has an alias"),
        ("---\nname: A\n<<: {model: secret}\n---\nx\n", "line 3: has a merge key"),
        ("---\nname: A\n  secret: b\n---\nx\n", "line 3: is not valid YAML"),
        ("---\nname: A\nx: 'secret\n---\nx\n", "is not valid YAML"),
        ("---\nname: A\nx: sec\x01ret\n---\nx\n", "line 3: has a character that YAML does not have"),
        ("---\nname: A\nmodel: !!bool secret\n---\nx\n", "line 3: model: is no value that can be read"),
        ("---\nname: A\nmodel: 2024-02-31\n---\nx\n", "line 3: model: is no value that can be read"),
        ("---\nname: A\nmodel: !secret x\n---\nx\n", "line 3: model: is no value that can be read"),
        ("---\n{name: secret}\n---\nx\n", "line 2: has to be lines of a key, a colon and a value"),
        ("---\n- secret\n---\nx\n", "line 2: has to be lines of a key, a colon and a value"),
        ("---\nsecret\n---\nx\n", "line 2: has to be lines of a key, a colon and a value"),
        ("---\nname: A\n? [secret]\n: b\n---\nx\n", "line 3: has a key that is no text"),
        ("---\nname: A\n? secret\n: b\n---\nx\n", "line 3: has a key that does not begin its line"),
        ("---\nname: A\n...\nmodel: secret\n---\nx\n", "line 3: has more than one part"),
        ("---\nname: A\n--- secret\n---\nx\n", "line 3: has more than one part"),
        (f"---\nname: A\nx: {'[' * 500_000}\n---\nx\n", "line 3: is nested deeper than 16 levels"),
        (f"---\nname: A\nx: {'{a: ' * 100_000}\n---\nx\n", "line 3: is nested deeper than 16 levels"),
        (f"---\nname: A\nx:\n {'- ' * 100_000}a\n---\nx\n", "line 4: is nested deeper than 16 levels"),
        ("---\nname: A\nsystem_prompt: a\nmarkdown_context: secret\n---\nx\n", "line 4: markdown_context: with"),
        ("---\nname: A\n---\nsec\0ret\n", "line 4: system_prompt: must not contain NUL characters"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_what_is_wrong_is_told_by_its_line_without_a_word_of_it(text: str, words: str) -> None:
    with pytest.raises(BadDocument, match=re.escape(words)) as refused:
        read("a", text)
    assert "secret" not in str(refused.value)
    assert "cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"---\nname: A\n---\n\xff\n", "line 4: it is not UTF-8"),
        ("---\nname: A\n---\nYou are A.\n".encode("utf-16"), "line 1: it is not UTF-8"),
        (b"x" * (MAX_BYTES + 1), "it is larger than 1,048,576 bytes"),
    ],
)
def test_bytes_that_are_no_text_are_told(data: bytes, words: str) -> None:
    with pytest.raises(BadDocument, match=words):
        decode(data)


def test_aliases_multiply_nothing() -> None:
    """The billion laughs."""
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(BadDocument, match="line 4: has an alias"):
        read("a", "\n".join(["---", "name: A", "l0: &l0 [x]", *levels, "---", "x"]))
