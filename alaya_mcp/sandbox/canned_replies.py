"""What the stand-in for a language model says and thinks: fixed texts that quote the question."""
# ruff: noqa: RUF001 - the Chinese texts use Chinese punctuation on purpose

import re
from collections.abc import Sequence
from itertools import takewhile

from alaya_mcp.sandbox.chat_request import Message
from alaya_mcp.sandbox.models import Target

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_QUOTED = {"zh": 20, "en": 60}
_BASE = ""

_STYLES: dict[str, dict[str, str]] = {
    _BASE: {
        "zh": "我是沙箱里的{name}，不是真的大模型。您说的是：“{quote}”。{notes}真正的部署会在这里给出回答。",
        "en": 'This is {name} in the sandbox, not a real language model. You wrote: "{quote}". {notes}A real '
        "deployment would answer here; the sandbox only shows how an answer travels.",
    },
    "support-zh": {
        "zh": "您好，我是客服{name}，很高兴为您服务！您的问题“{quote}”已经收到。{notes}"
        "请稍候，我们会尽快为您处理，感谢您的耐心！",
    },
    "sql-writer": {
        "zh": "```sql\n-- {name}：{quote}\n{notes}SELECT id, name, total\nFROM orders\nWHERE status = 'open'"
        "\nORDER BY total DESC\nLIMIT 10;\n```",
        "en": "```sql\n-- {name}: {quote}\n{notes}SELECT id, name, total\nFROM orders\nWHERE status = 'open'"
        "\nORDER BY total DESC\nLIMIT 10;\n```",
    },
    "tone-formal": {
        "zh": "尊敬的用户：{name}谨此答复。您所询“{quote}”一事，业已知悉。{notes}特此函告，顺颂时祺。",
        "en": 'Dear Sir or Madam, {name} acknowledges your enquiry, "{quote}", and begs to state that it has '
        "been received with due attention. {notes}We remain, with the highest regard, yours faithfully.",
    },
    "tone-casual": {
        "zh": "嗨！我是{name}。你刚说“{quote}”，对吧？{notes}小事一桩，包在我身上，有空再聊哈！",
        "en": 'Hey! {name} here. So you said "{quote}", right? {notes}No worries at all, I have totally got '
        "this one for you. Catch you later, and shout if there is anything else!",
    },
    "legal-zh": {
        "zh": "{name}法律意见：一、关于“{quote}”，本意见仅供参考。{notes}"
        "二、依照有关法律规定，当事人应当遵循诚信原则。三、具体事宜请咨询执业律师。",
    },
    "poet": {
        "zh": "{name}作：\n“{quote}”入我诗，\n云山万里月来迟。\n{notes}沙箱一曲无真意，\n且待春风为尔吹。",
        "en": '{name} sings:\nYou came to me with "{quote}",\nI put it in a little boat,\n{notes}It sailed '
        "upon a sandbox sea,\nAnd brought these rhymes to you from me.",
    },
}

_NOTES: dict[str, dict[str, str]] = {
    "zh": {
        "system": "已看到系统提示。",
        "turns": "此前有{turns}轮对话。",
        "images": "看到{images}张图片。",
        "result": "工具返回：“{result}”。",
    },
    "en": {
        "system": "A system message was seen. ",
        "turns": "Earlier turns: {turns}. ",
        "images": "Images seen: {images}. ",
        "result": 'The tool said: "{result}". ',
    },
}

_THOUGHTS: dict[str, str] = {
    "zh": "用户说的是“{quote}”。我是沙箱，应当说明自己不是真的模型。",
    "en": 'The user wrote "{quote}". I am a sandbox, so I should say that I am not a real model.',
}

_MORE: dict[str, str] = {
    "zh": "……沙箱从这里接着往下说，到此为止。",
    "en": " ... and from there the sandbox goes on for some more words, and ends.",
}


def speak(messages: Sequence[Message], question: str, target: Target) -> str:
    """Answer the question, as the adapter or the base model does."""
    language = _language(question)
    style = _STYLES.get(target.adapter or _BASE, _STYLES[_BASE])
    if language not in style:
        language = "zh"  # an adapter with one language answers in it always
    notes = _note(messages, language)
    if target.adapter == "sql-writer" and notes:
        notes = f"-- {notes.strip()}\n"
    name = f"{target.adapter} ({target.base})" if target.adapter else target.base
    return style[language].format(name=name, quote=_shorten(question, _language(question)), notes=notes)


def think(question: str) -> str:
    """Return the thoughts that go before an answer."""
    language = _language(question)
    return _THOUGHTS[language].format(quote=_shorten(question, language))


def go_on(question: str) -> str:
    """Return words that can follow any beginning of an answer."""
    return _MORE[_language(question)]


def _note(messages: Sequence[Message], language: str) -> str:
    """Tell what else than the question was seen."""
    notes = _NOTES[language]
    turns = sum(each.role == "assistant" for each in messages)
    images = sum(len(each.images) for each in messages)
    results = list(takewhile(lambda each: each.role == "tool", reversed(messages)))
    said = notes["system"] if any(each.role in ("system", "developer") for each in messages) else ""
    said += notes["turns"].format(turns=turns) if turns else ""
    said += notes["images"].format(images=images) if images else ""
    for each in reversed(results):
        said += notes["result"].format(result=_shorten(each.text, language))
    return said


def _language(question: str) -> str:
    return "zh" if _HAN.search(question) else "en"


def _shorten(text: str, language: str) -> str:
    # A backtick would close the code fence of an answer that has one.
    line, most = " ".join(text.split()).replace("`", "'"), _QUOTED[language]
    return line if len(line) <= most else f"{line[:most]}…"
