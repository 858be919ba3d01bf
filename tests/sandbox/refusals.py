"""Bodies of vLLM's refusals, in the bytes that vLLM 0.32.0 was recorded to send."""

import json


def error(message: str, kind: str, param: str | None, code: int = 400) -> str:
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return json.dumps(body, separators=(",", ":"))


def one_validation_error(detail: str, param: str) -> str:
    return error(f"1 validation error:\n  {detail}", "Bad Request", param)


def range_error(rule: str, param: str) -> str:
    value = rule.rpartition(" ")[2]
    return error(f"{rule}. (parameter={param}, value={value})", "BadRequestError", param)
