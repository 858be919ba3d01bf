"""Results that the tests show in the card."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from alaya_mcp.comparison.result import CompareResult
from alaya_mcp.results import DeploymentResult

_MARKUP: Final = "<img src=x onerror=alert(1)><script>alert(1)</script>"
_DECEIVING: Final = "\u202egnp.exe\u2066\u200b\x07"
_LONG: Final = "w" * 5_000


def with_text(text: str) -> dict[str, Any]:
    """A result that has text alone."""
    return {"content": [{"type": "text", "text": text}]}


def _result(model: DeploymentResult | CompareResult) -> dict[str, Any]:
    return {**with_text("text"), "structuredContent": model.model_dump(mode="json", exclude_none=True)}


def answered(result: dict[str, Any]) -> Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]:
    """A server that answers every call with this."""

    async def answer(_: dict[str, Any]) -> dict[str, Any]:
        return result

    return answer


DEPLOYMENT: Final = _result(
    DeploymentResult.model_validate(
        {
            "service_id": "svc-1",
            "name": "qwen3-support",
            "kind": "base",
            "status": "running",
            "ready": True,
            "summary": "qwen3-support is a vLLM deployment; it is running, 2 of 3 instances ready.",
            "models": ["qwen3-8b", "support-zh", "sql-writer"],
            "lora_models": ["support-zh", "sql-writer", "on-none"],
            "engine": "vllm",
            "endpoint": "https://engine.example/serve/svc-1",
            "instances": [
                {"instance_id": "0", "base_model_ready": True, "lora_models": ["support-zh", "sql-writer"]},
                {"instance_id": "1", "base_model_ready": True, "lora_models": ["support-zh"]},
                {"instance_id": "2", "base_model_ready": False, "lora_models": ["on-none"]},
            ],
            "quick_start": {
                "backend": "vllm",
                "backend_version": "0.32.0",
                "flags": ["--enable-lora"],
                "resources": {"cpu": 16, "memory": 128, "gpu_type": "H800", "gpu_count": 1},
            },
            "total_gpus": 3,
            "warnings": ["on-none is on no ready instance."],
        }
    )
)

BASE: Final = "退款一般在三到五个工作日内原路退回。如果超过五天没有到账，请联系客服。"  # noqa: RUF001 Chinese punctuation
OTHER: Final = "您好，退款会在三到五个工作日内退回。如果超过五天没有到账，请立即联系客服。"  # noqa: RUF001 Chinese punctuation


def _answer(model: str, content: str, speed: float, **fields: object) -> dict[str, Any]:
    timing = {"first_token_seconds": 0.2, "total_seconds": 2.5, "tokens_per_second": speed}
    usage = {"completion_tokens": 70}
    told: dict[str, Any] = {
        "finish_reason": "stop",
        "truncated": False,
        "timing": timing,
        "usage": usage,
        "warnings": [],
    }
    return {"model": model, "kind": "lora", "content": content, **told, **fields}


COMPARED: Final = _result(
    CompareResult.model_validate(
        {
            "service_id": "svc-1",
            "summary": "3 of 4 models answered; sql-writer was fastest.",
            "warnings": [],
            "answers": [
                _answer("qwen3-8b", BASE, 30.0, kind="base"),
                _answer("support-zh", OTHER, 20.0, differs=True, reasoning="先说时间。", valid=True),
                _answer(
                    "sql-writer",
                    "SELECT 1;",
                    40.0,
                    differs=True,
                    truncated=True,
                    truncated_reason="max_tokens",
                    finish_reason="length",
                    read_on="alaya://replies/1?from=9",
                    served_by="sql-writer-2",
                    valid=False,
                    warnings=["The reply is not valid."],
                ),
                {
                    "model": "gone",
                    "kind": "lora",
                    "error": {"code": "model_not_found", "message": "svc-1 does not serve gone.", "retryable": False},
                    "warnings": [],
                },
            ],
        }
    )
)


def _hostile(result: dict[str, Any], text: str) -> dict[str, Any]:
    """The same result with this in every text but those that decide what it is."""
    kept = {"status", "kind", "truncated_reason", "differs"}

    def changed(value: Any, key: str = "") -> Any:  # noqa: ANN401 any JSON value
        if isinstance(value, dict):
            return {name: changed(each, name) for name, each in cast("dict[str, Any]", value).items()}
        if isinstance(value, list):
            return [changed(each) for each in cast("list[Any]", value)]
        return f"{text}{value}" if isinstance(value, str) and key not in kept else value

    return {**result, "structuredContent": changed(json.loads(json.dumps(result["structuredContent"])))}


HOSTILE: Final = {
    "deployment": _hostile(DEPLOYMENT, _MARKUP + _DECEIVING + _LONG),
    "comparison": _hostile(COMPARED, _MARKUP + _DECEIVING + _LONG),
    "an error": {**with_text(_MARKUP + _DECEIVING + _LONG), "isError": True},
    "text": with_text(_MARKUP + _DECEIVING + _LONG),
}
