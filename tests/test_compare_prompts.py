"""Files of prompts: three formats, the encodings that people have, and what is refused by line."""

import codecs
import io
import json
from pathlib import Path

import pytest

from alaya_mcp.comparison.prompt import Prompt
from alaya_mcp.comparison.prompt_rows import LONGEST
from alaya_mcp.comparison.prompts_file import GivenPrompts, PromptsFile
from alaya_mcp.comparison.unusable import Unusable

TABLE = (
    "id,prompt,expected,来源\n"
    'a,"第一行、包含,逗号\n第二行说""引号""",晴,网页\n'
    ",今天天气怎么样。,,\nc,Where is order 1042?,here,web\n"
)


def read(path: Path, content: bytes) -> list[Prompt]:
    """The prompts of a file with this content."""
    path.write_bytes(content)
    with PromptsFile(path) as prompts:
        found = list(prompts)
        assert prompts.count == len(found)
        assert list(prompts) == found, "they can be read again"
    return found


def problems_of(path: Path, content: bytes | str) -> list[str]:
    """Why a file is refused, each without its folder."""
    with pytest.raises(Unusable) as refused:
        read(path, content if isinstance(content, bytes) else content.encode())
    return [problem.replace(f"{path.parent}/", "") for problem in refused.value.problems]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-32-le", codecs.BOM_UTF32_LE),
        ("gbk", b""),
        ("gbk", codecs.BOM_UTF8),
        ("gb18030", b""),
    ],
    ids=lambda value: value if isinstance(value, str) else value.hex(),
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_a_table_is_read_rightly_in_every_encoding(
    tmp_path: Path, encoding: str, mark: bytes, end: str, delimiter: str
) -> None:
    table = TABLE.replace(",", delimiter).replace(f"含{delimiter}逗", "含,逗").replace("含,逗", f"含{delimiter}逗")
    first, second, third = read(tmp_path / "p.csv", mark + table.replace("\n", end).encode(encoding))

    assert first.prompt == f'第一行、包含{delimiter}逗号{end}第二行说"引号"'
    assert (first.id, first.number, first.line, first.expected, first.columns) == ("a", 1, 2, "晴", {"来源": "网页"})
    assert (second.id, second.number, second.line, second.expected, second.columns) == ("2", 2, 4, None, None)
    assert (third.prompt, third.line, third.turns[0].content) == ("Where is order 1042?", 5, "Where is order 1042?")


def test_characters_beyond_gbk_are_read_from_gb18030(tmp_path: Path) -> None:
    assert [each.prompt for each in read(tmp_path / "p.txt", "𠮷野家在哪里。\n你好".encode("gb18030"))] == [
        "𠮷野家在哪里。",
        "你好",
    ]


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["plain", "marked"])
def test_big5_is_not_read_as_gb18030(tmp_path: Path, mark: bytes) -> None:
    text = "Where is order 1042?\n請問訂單目前在哪裡。我想要退貨、謝謝您的幫忙。\n"

    assert problems_of(tmp_path / "p.txt", mark + text.encode("big5")) == [
        "p.txt line 2: neither UTF-8 nor text in GB18030. Convert the file to UTF-8."
    ]


def test_what_is_read_as_gb18030_is_noted_with_a_line(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    for text, encoding, shown in (
        ("Hello\n你好、世界。\n", "gbk", "line 2: 你好、世界。"),
        ("주문은 어디에 있습니까? 반품하고 싶습니다.\n", "euc-kr", "line 1: 林巩篮 绢叼俊 乐嚼聪鳖"),
        ("长" * 200, "gbk", f"line 1: {'长' * 99}…"),
    ):
        path.write_bytes(text.encode(encoding))
        with PromptsFile(path) as prompts:
            assert prompts.note is not None
            assert prompts.note.startswith(f"{path} is read as GB18030 ({shown}")
    path.write_text("你好", encoding="utf-8")
    with PromptsFile(path) as prompts:
        assert prompts.note is None


def test_lines_of_text_are_prompts_and_blank_ones_are_none(tmp_path: Path) -> None:
    found = read(tmp_path / "p.txt", 'one\r\n\r\n  \n two \u2028 and more\n{"prompt": 1}'.encode())

    assert [(each.prompt, each.line, each.id) for each in found] == [
        ("one", 1, "1"),
        (" two \u2028 and more", 4, "2"),
        ('{"prompt": 1}', 5, "3"),
    ]


def test_json_lines_may_have_conversations_and_keep_all_else(tmp_path: Path) -> None:
    rows = [
        {"id": 7, "prompt": "one", "system": "Be brief.", "expected": 42, "tags": ["a", {"b": None}]},
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "你好"}]},
            ],
            "prompt": None,
        },
    ]
    one, two = read(tmp_path / "p.jsonl", "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode())

    assert (one.id, one.system, one.expected, one.columns) == ("7", "Be brief.", "42", {"tags": ["a", {"b": None}]})
    assert two.prompt is None
    assert two.messages == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "你好"}]
    assert [turn.role for turn in two.turns] == ["system", "user"]


def test_a_cell_of_a_table_may_be_a_conversation(tmp_path: Path) -> None:
    (one,) = read(tmp_path / "p.csv", b'Messages,x\n"[{""role"": ""user"", ""content"": ""hi""}]",1\n,\n')

    assert [turn.content for turn in one.turns] == ["hi"]


@pytest.mark.parametrize(
    ("content", "prompts"),
    [
        ("one\ntwo\n", ["one", "two"]),
        ('{"prompt": "one"}\n', ["one"]),
        ("prompt\none\n", ["one"]),
        ("id;prompt\n1;one\n", ["one"]),
        ("[urgent] Where is my order?\n{name}, hello\n", ["[urgent] Where is my order?", "{name}, hello"]),
        ("{name}, hello\n", ["{name}, hello"]),
    ],
)
def test_without_a_known_extension_the_content_decides(tmp_path: Path, content: str, prompts: list[str]) -> None:
    path = Path("-")
    with PromptsFile(path, io.BytesIO(content.encode())) as piped:
        assert [each.prompt for each in piped] == prompts
        assert [each.prompt for each in piped] == prompts
    assert [each.prompt for each in read(tmp_path / "p", content.encode())] == prompts


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([{"prompt": "one"}, {"prompt": "two"}], indent=1),
        json.dumps([{"prompt": "one"}, {"prompt": "two"}]),
        json.dumps(["one", "two"]),
        json.dumps({"prompt": "one"}, indent=1),
        '{"prompt": "one",}',
        "\n[]",
    ],
)  # fmt: skip
def test_json_that_is_not_json_lines_is_not_asked_line_by_line(tmp_path: Path, content: str) -> None:
    problem = "begins as JSON, but is not JSON Lines, which has one object a line."
    assert problems_of(tmp_path / "p", content) == [f"p {problem}"]
    assert problems_of(tmp_path / "p.prompts", content) == [f"p.prompts {problem}"]
    with pytest.raises(Unusable, match="stdin begins as JSON"):
        PromptsFile(Path("-"), io.BytesIO(content.encode()))
    for json_file in (content, '{"prompt": "one"}\n', "one\n"):
        assert problems_of(tmp_path / "p.json", json_file) == [
            "p.json is not JSON Lines by its extension. Write one object a line, and name the file .jsonl."
        ]


@pytest.mark.parametrize(
    ("name", "content", "problems"),
    [
        ("p.txt", "", ["p.txt has no prompts."]),
        ("p.txt", "\n \r\n", ["p.txt has no prompts."]),
        ("p.csv", "prompt\n", ["p.csv has no prompts."]),
        ("p.txt", "one\nt\0wo\n", ["p.txt line 2: a NUL byte, which text files do not have."]),
        ("p.txt", "one".encode("utf-16-le"), ["p.txt line 1: a NUL byte, which text files do not have."]),
        (
            "p.jsonl",
            '{"prompt": "a"}\n{"prompt": 1}\n[]\n{"prompt": "a", "messages": [{}]}\n{"promt": "x"}\n{"prompt": NaN}\n{',
            [
                "p.jsonl line 2: prompt must be text.",
                "p.jsonl line 3: not a JSON object; a line is one, with prompt or messages.",
                "p.jsonl line 4: prompt and messages exclude each other.",
                "p.jsonl line 5: there is no prompt and there are no messages; did you mean prompt by promt?",
                "p.jsonl line 6: not valid JSON: NaN in it.",
                "p.jsonl line 7: not valid JSON: Expecting property name enclosed in double quotes at character 2.",
            ],
        ),
        ("p.jsonl", r'{"prompt": "\ud83d"}', ["p.jsonl line 1: prompt has half of a surrogate pair."]),
        ("p.jsonl", r'{"prompt": "a", "x": {"\udc00": 1}}', ["p.jsonl line 1: x has half of a surrogate pair."]),
        (
            "p.jsonl",
            '{"prompt": "a", "x": ' + "[" * 300 + "]" * 300 + "}",
            ["p.jsonl line 1: x is nested too deeply."],
        ),
        ("p.jsonl", '{"prompt": "a", "x": ' + "[" * 9000, ["p.jsonl line 1: not usable JSON: nested too deeply."]),
        (
            "p.jsonl",
            (
            '{"messages": [{"role": "king", "content": "x"}]}\n{"messages": "x"}\n'
            '{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}\n'
            '{"system": "a", "messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "x"}]}'
            ),
            [
                "p.jsonl line 1: messages.0.role must be 'system', 'user', 'assistant' or 'tool'.",
                "p.jsonl line 2: messages must be a list.",
                "p.jsonl line 3: messages must end with a user's message; the right answer goes into expected.",
                "p.jsonl line 4: system and a system message among messages exclude each other.",
            ],
        ),
        (
            "p.jsonl",
            '{"prompt": "a"}\n{"id": "1", "prompt": "b"}\n{"id": true, "prompt": "b"}\n{"id": "a\\nb", "prompt": "b"}',
            [
                "p.jsonl line 2: its id 1 is that of line 1 too.",
                "p.jsonl line 3: id must be a number, or text of at most 256 printable characters.",
                "p.jsonl line 4: id must be a number, or text of at most 256 printable characters.",
            ],
        ),
        (
            "p.csv",
            "question,answer\na,b\n",
            ["p.csv line 1: the header has no column prompt or messages; it has question, answer."],
        ),
        (
            "p.csv",
            "promt,x\na,b\n",
            ["p.csv line 1: the header has no column prompt or messages; it has promt, x. Did you mean prompt?"],
        ),
        ("p.csv", "prompt,prompt\na,b\n", ["p.csv line 1: two columns are named prompt."]),
        ("p.csv", 'prompt,x\n"a\nb",1,2\nc,1,\n', ["p.csv line 2: 3 values under 2 columns."]),
        ("p.csv", "prompt,\na,\nb,c\n", ["p.csv line 3: a value under a column without a name."]),
        ("p.csv", "prompt,,\na,,\nb,c,\n", ["p.csv line 3: a value under a column without a name."]),
        (
            "p.csv",
            'prompt,x\na,1\n"b,2\nc,3\n',
            ["p.csv line 3: not valid CSV: unexpected end of data; a quote within a quoted value is doubled."],
        ),
        (
            "p.csv",
            "messages\n[1\n",
            ["p.csv line 2: messages is not valid JSON: Expecting ',' delimiter: line 1 column 3 (char 2)."],
        ),
        (
            "p.txt",
            "第一行很好。\n第二行很好。\n".encode() + "第三".encode("gbk") + "\n第四行。\n".encode(),
            ["p.txt line 3: not UTF-8, as the file's other lines are."],
        ),
        (
            "p.txt",
            "naïve\ncafé au lait\n".encode("latin-1"),
            ["p.txt line 1: not UTF-8, nor Chinese in GB18030. Convert the file to UTF-8."],
        ),
        (
            "p.txt",
            "你好、世界。\n".encode("gbk") + b"\xff\xff\n",
            ["p.txt line 2: not GB18030, as the file's other lines are. Convert the file to UTF-8."],
        ),
        (
            "p.txt",
            codecs.BOM_UTF16_LE + "a\r\nb\r\n".encode("utf-16-le") + b"\x00\xd8\n\x00",
            ["p.txt line 3: not UTF-16, as the file's byte order mark says."],
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_refused_by_line(
    tmp_path: Path, name: str, content: bytes | str, problems: list[str]
) -> None:
    assert problems_of(tmp_path / name, content) == problems


def test_only_the_first_problems_are_listed(tmp_path: Path) -> None:
    problems = problems_of(tmp_path / "p.jsonl", "{}\n" * 100)

    assert len(problems) == 21
    assert problems[-1] == "p.jsonl: not read any further."


def test_a_line_without_an_end_is_not_read_into_memory(tmp_path: Path) -> None:
    assert problems_of(tmp_path / "p.txt", b"a\n" + b"x" * (LONGEST + 5)) == [
        "p.txt line 2: longer than 32 Mi characters."
    ]


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.csv"):
        with pytest.raises(Unusable, match="cannot be read"):
            PromptsFile(path)


def test_a_file_that_changes_after_it_was_checked_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_text("one\n", encoding="utf-8")
    with PromptsFile(path) as prompts:
        with path.open("a", encoding="utf-8") as file:
            file.write("two\n")
        with pytest.raises(Unusable, match="was changed while it was read"):
            list(prompts)


def test_prompts_of_a_command_line_are_not_blank() -> None:
    assert [each.prompt for each in GivenPrompts(["one", "two"])] == ["one", "two"]
    with pytest.raises(Unusable, match="PROMPT 2: prompt is blank"):
        GivenPrompts(["one", " "])
