"""Files of answers: going on where a run stopped, lines that were torn, locks, and joining."""

import errno
import os
import stat
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from alaya_mcp.comparison import file_lock
from alaya_mcp.comparison.answer_line import AnswerLine
from alaya_mcp.comparison.answers_file import AnswersFile, Unwritable
from alaya_mcp.comparison.joined import JoinedAnswers
from alaya_mcp.comparison.result import AnswerError
from alaya_mcp.comparison.summary import summaries
from alaya_mcp.comparison.unusable import Unusable
from alaya_mcp.results import Usage


def answer(prompt: int = 1, model: str = "base", **fields: Any) -> AnswerLine:  # noqa: ANN401 whatever a line has
    """One line."""
    given: dict[str, Any] = {
        "content": "答案",
        "request": "d1",
        "kind": "base" if model == "base" else "lora",
        "warnings": [],
        "truncated": False,
        **fields,
    }
    return AnswerLine(id=f"p{prompt}", number=prompt, model=model, **given)


def failure(prompt: int = 1, model: str = "base", **fields: Any) -> AnswerLine:  # noqa: ANN401 whatever a line has
    """One line without an answer."""
    error = AnswerError(code="rate_limited", message="Later.", retryable=True)
    return answer(prompt, model, error=error, content=None, **fields)


def written(path: Path, *lines: AnswerLine) -> bytes:
    """Write lines by a run of their own; all that the file has then."""
    with AnswersFile(path) as answers:
        for line in lines:
            answers.append(line)
    return path.read_bytes()


def contents(path: Path) -> list[tuple[str, str, str | None]]:
    """What counts in a file, in order."""
    with AnswersFile(path) as answers:
        return [(line.id, line.model, line.content) for line in answers.ordered()]


def test_a_line_is_in_the_file_as_soon_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with AnswersFile(path) as answers:
        answers.append(answer(parsed={"a": None}, columns={"b": [None]}))
        line = path.read_bytes()

    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert "答案".encode() in line
    assert b'"parsed":{"a":null}' in line
    assert b"expected" not in line


def test_what_has_its_answer_is_not_asked_again_and_what_failed_is(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    written(path, answer(1), failure(2), answer(1, "lora"))
    with AnswersFile(path) as answers:
        asked = [answers.state_of((f"p{prompt}", 1, "base"), "d1") for prompt in (1, 2, 3)]
        answers.append(answer(2, content="now"))
        current = [(line.id, line.content) for line in answers.current()]

    assert asked == ["answered", "failed", "new"]
    assert current == [("p1", "答案"), ("p1", "答案"), ("p2", "now")]
    assert contents(path) == [("p1", "base", "答案"), ("p1", "lora", "答案"), ("p2", "base", "now")]
    assert len(path.read_bytes().splitlines()) == 4


def test_a_prompt_that_was_asked_otherwise_is_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    written(path, answer(1), answer(2))
    with AnswersFile(path) as answers, pytest.raises(Unusable, match=r"a\.jsonl line 2: prompt p2 was asked otherwise"):
        answers.state_of(("p2", 1, "base"), "other")


@pytest.mark.parametrize("keep", [1, 12, 40, 120, -1])
def test_a_torn_last_line_is_cut_off_or_completed_with_the_next_answer(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.jsonl"
    whole = written(path, answer(1), answer(2))
    first, second = whole.splitlines(keepends=True)
    path.write_bytes(first + second[:keep])

    assert contents(path)[0] == ("p1", "base", "答案")
    assert path.read_bytes() == first + second[:keep], "reading alone mends nothing"
    with AnswersFile(path) as answers:
        is_whole = answers.state_of(("p2", 1, "base"), "d1") == "answered"
        if not is_whole:
            answers.append(answer(2))
        answers.append(answer(3))
        assert [line.id for line in answers.current()] == ["p1", "p2", "p3"]

    assert is_whole is (keep == -1)
    assert path.read_bytes().startswith(whole)
    assert [row[0] for row in contents(path)] == ["p1", "p2", "p3"]


def test_an_answer_after_one_that_could_not_be_written_is_on_a_line_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(written(path, answer(1)).rstrip(b"\n"))
    with AnswersFile(path) as answers:
        with monkeypatch.context() as full:
            full.setattr(os, "write", no_space)
            with pytest.raises(Unwritable, match="No space left on device"):
                answers.append(answer(2))
        answers.append(answer(3))
        assert [line.id for line in answers.current()] == ["p1", "p3"]

    assert [row[0] for row in contents(path)] == ["p1", "p3"]


def no_space(*_arguments: object) -> int:
    """A disk that is full."""
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("keep", [20, 70])
def test_a_first_line_that_was_torn_is_replaced(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(written(path, answer(1))[:keep])

    whole = written(path, answer(1))
    assert [row[0] for row in contents(path)] == ["p1"]
    assert whole.count(b"\n") == 1


def test_a_broken_line_in_the_middle_is_refused_unless_it_starts_over(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = written(path, answer(1), answer(2), answer(3)).splitlines(keepends=True)
    broken = lines[0] + lines[1][:50] + b"\n" + lines[2]
    path.write_bytes(broken)

    with pytest.raises(Unusable, match=r"a\.jsonl line 2 is not an answer"):
        AnswersFile(path)
    with AnswersFile(path, fresh=True) as answers:
        assert list(answers.current()) == []
        assert path.read_bytes() == broken, "nothing is lost before there is an answer"
        answers.append(answer(4))
        assert answers.backup is not None
        assert answers.backup.read_bytes() == broken
    with AnswersFile(path, fresh=True) as answers:
        answers.append(answer(5))
        assert answers.backup == tmp_path / "a.jsonl.bak-1"
    assert contents(path) == [("p5", "base", "答案")]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
def test_the_copy_is_on_the_disk_before_the_file_is_emptied_and_as_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, copy = tmp_path / "a.jsonl", tmp_path / "a.jsonl.bak"
    old = written(path, answer(1))
    path.chmod(0o600)
    synced: list[bytes] = []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        sync(descriptor)
        assert os.fstat(descriptor).st_ino == copy.stat().st_ino
        assert path.read_bytes() == old
        synced.append(copy.read_bytes())

    monkeypatch.setattr(os, "fsync", fsync)
    with AnswersFile(path, fresh=True) as answers:
        answers.append(answer(2))

    assert synced == [old]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert path.read_bytes() != old


@pytest.mark.parametrize(
    "content",
    [
        b"id,prompt\n1,hello\n",
        b'{"id": "1", "prompt": "hello"}\n',
        b'{"id":"1","number":1,"prompt":"hello"}',
        b'{"id":',
        b'{"prompt": "hello"}',
        b"\x00\x01\x02",
        b"hello",
    ],
)
@pytest.mark.parametrize("fresh", [False, True])
def test_a_file_that_has_no_answers_is_never_written(tmp_path: Path, content: bytes, *, fresh: bool) -> None:
    path = tmp_path / "prompts.csv"
    path.write_bytes(content)
    if content == b'{"id":':  # as short a beginning of a line as this may be one
        content = b'{"id:'
        path.write_bytes(content)

    with pytest.raises(Unusable, match="not an answers file"):
        AnswersFile(path, fresh=fresh)
    assert path.read_bytes() == content
    assert [each.name for each in tmp_path.iterdir()] == ["prompts.csv"]


def test_a_second_run_on_a_file_is_refused_while_the_first_has_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with AnswersFile(path), pytest.raises(Unusable, match="is being written by another run"):
        AnswersFile(path)
    with AnswersFile(path):
        pass


def test_only_an_empty_file_that_a_run_made_itself_is_removed(tmp_path: Path) -> None:
    made, there, full, moved = (tmp_path / name for name in ("made", "there", "full", "moved"))
    there.touch()
    written(full, answer(1))
    for path in (made, there, full):
        with AnswersFile(path):
            assert path.exists(), "others see that it is written"
    with AnswersFile(moved):
        moved.unlink()
        moved.write_bytes(b"of somebody else")

    assert sorted(each.name for each in tmp_path.iterdir()) == ["full", "moved", "there"]
    assert moved.read_bytes() == b"of somebody else"


def test_a_file_that_is_removed_while_it_is_opened_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    path.touch()

    def flock(_descriptor: int, _how: int) -> None:
        path.unlink()

    monkeypatch.setitem(sys.modules, "fcntl", SimpleNamespace(LOCK_EX=1, LOCK_NB=2, flock=flock))
    with pytest.raises(Unusable, match="was removed by another run"):
        AnswersFile(path)
    assert not path.exists()


def test_windows_locks_a_byte_that_no_file_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[int, int]] = []

    def locking(descriptor: int, how: int, count: int) -> None:
        assert (how, count) == (2, 1)
        taken.append((descriptor, os.lseek(descriptor, 0, os.SEEK_CUR)))
        if len(taken) > 1:
            raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_NBLCK=2, locking=locking))
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    with path.open("rb", buffering=0) as file:
        file_lock.lock(file, "win32")
        with pytest.raises(file_lock.Taken):
            file_lock.lock(file, "win32")
        assert file.read() == b"abc"
        assert taken == [(file.fileno(), 2**40)] * 2


def test_a_file_system_without_locks_gives_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(_descriptor: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setitem(sys.modules, "fcntl", SimpleNamespace(LOCK_EX=1, LOCK_NB=2, flock=flock))
    with AnswersFile(tmp_path / "a.jsonl") as answers:
        answers.append(answer())


def test_files_of_shards_are_joined_in_order(tmp_path: Path) -> None:
    one, two, joined = (tmp_path / name for name in ("one.jsonl", "two.jsonl", "all.jsonl"))
    written(one, answer(3), failure(1, "lora"), answer(1, "lora"), answer(1))
    written(two, answer(2, "lora"), failure(2), failure(3))
    with JoinedAnswers([one, two]) as files:
        files.write(joined)
        with pytest.raises(Unusable, match="is there already"):
            files.write(joined)

    with AnswersFile(joined) as answers:
        assert [(line.id, line.model, bool(line.error)) for line in answers.ordered()] == [
            ("p1", "base", False),
            ("p1", "lora", False),
            ("p2", "base", True),
            ("p2", "lora", False),
            ("p3", "base", False),
        ]
    assert len(joined.read_bytes().splitlines()) == 5


@pytest.mark.parametrize("fresh", [False, True])
def test_joined_answers_are_written_as_a_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fresh: bool
) -> None:
    one, two, joined = (tmp_path / name for name in ("one.jsonl", "two.jsonl", "all.jsonl"))
    written(one, answer(1))
    written(two, answer(2))
    before = written(joined, answer(3)) if fresh else None

    monkeypatch.setattr(os, "fsync", no_space)
    with JoinedAnswers([one, two]) as files, pytest.raises(Unusable, match=r"all\.jsonl cannot be written: No space"):
        files.write(joined, fresh=fresh)

    assert (joined.read_bytes() if joined.exists() else None) == before
    assert {each.name for each in tmp_path.iterdir()} <= {"one.jsonl", "two.jsonl", "all.jsonl"}


def test_a_file_that_is_joined_afresh_is_replaced_by_nothing_too(tmp_path: Path) -> None:
    empty, joined = tmp_path / "empty.jsonl", tmp_path / "all.jsonl"
    empty.touch()
    old = written(joined, answer(1))
    joined.chmod(0o600)
    with JoinedAnswers([empty]) as files:
        with AnswersFile(joined), pytest.raises(Unusable, match="is being written by another run"):
            files.write(joined, fresh=True)
        assert joined.read_bytes() == old
        files.write(joined, fresh=True)

    assert joined.read_bytes() == b""
    assert (tmp_path / "all.jsonl.bak").read_bytes() == old
    if os.name != "nt":
        assert stat.S_IMODE(joined.stat().st_mode) == 0o600


@pytest.mark.parametrize("model", ["base", "lora"])
def test_files_of_different_runs_are_not_joined(tmp_path: Path, model: str) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    written(one, answer(1))
    written(two, answer(2), answer(1, model, request="d2"))

    with pytest.raises(Unusable, match=r"two\.jsonl line 2 and .*one\.jsonl line 1 both have prompt p1, but"):
        JoinedAnswers([one, two])


def test_what_answers_add_up_to() -> None:
    usage = Usage(prompt_tokens=3, completion_tokens=5)
    base, lora = summaries(
        [
            answer(1, "lora", content="北京。", expected="北京", usage=usage, valid=False),
            answer(1, content="上海", expected=" 上海\n", usage=usage, finish_reason="stop", valid=True),
            answer(2, content="x "),
            answer(2, "lora", content="x", finish_reason="length"),
            answer(3, "lora"),
            failure(3),
        ]
    )

    assert (base.model, base.answers, base.failures, base.finish_reasons) == (
        "base",
        2,
        {"rate_limited": 1},
        {"stop": 1},
    )
    assert (base.expected, base.exact, base.normalised, base.compared) == (1, 1, 1, 0)
    assert (lora.expected, lora.exact, lora.normalised, lora.checked, lora.valid) == (1, 0, 1, 1, 0)
    assert (lora.compared, lora.differs, lora.completion_tokens) == (2, 1, 5)


def test_an_answer_that_a_filter_ended_counts_and_compares_with_nothing() -> None:
    ended = {"truncated": True, "truncated_reason": "content_filter"}
    _, lora = summaries([answer(1, content="x", expected="x"), answer(1, "lora", content="x", expected="x", **ended)])

    assert (lora.answers, lora.truncated, lora.compared, lora.expected) == (1, 1, 0, 0)
