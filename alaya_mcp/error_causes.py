"""The precise causes of errors, by the code that agents see. A new error begins with a row here."""

from typing import Final, Literal

Plane = Literal["control", "data"]
"""Which half of Alaya answered: the account's API, or one deployment's engine."""

Distrust = Literal["expired", "not_yet_valid", "self_signed", "unknown_authority", "wrong_name", "not_tls", "other"]
"""Why a TLS connection did not come about."""

SettingProblem = Literal["missing", "empty", "unexpanded", "unusable"]
"""What is wrong with one setting: no value, an empty one, a reference that was not replaced, or one that is refused."""

SettingCause = Literal["key_missing", "key_unusable", "base_url_unusable", "setting_unusable"]
FileCause = Literal[
    "config_file_missing",
    "config_file_unreadable",
    "config_file_too_large",
    "config_file_not_utf8",
    "config_file_not_toml",
    "config_entry_unusable",
    "config_file_unwritable",
    "config_file_changed",
]
KeychainCause = Literal[
    "keychain_extra_missing",
    "keychain_missing",
    "keychain_locked",
    "keychain_silent",
    "keychain_failed",
    "keychain_entry_missing",
    "keychain_entry_unusable",
]
"""What can be wrong with a key pair that a profile keeps in the system's keychain."""
CallerCause = Literal["key_headers_missing", "tokens_unusable", "profile_unusable"]
"""What can be wrong with a caller over HTTP, or with the account that this server has for it."""
ConfigurationCause = Literal[
    CallerCause,
    SettingCause,
    FileCause,
    KeychainCause,
    "home_missing",
    "profile_unknown",
    "certificates_unusable",
    "proxy_unusable",
    "proxy_refused",
]
ArgumentCause = Literal[
    "arguments_unusable",
    "cursor_unknown",
    "cursor_of_other_filters",
    "wait_over_budget",
    "prompt_missing",
    "prompt_and_messages",
    "system_given_twice",
    "nothing_to_continue",
    "tool_choice_unknown",
    "tool_choice_without_tools",
    "thinking_given_twice",
    "schema_unusable",
    "read_on_with_question",
    "read_on_unknown",
    "background_unavailable",
    "reply_not_kept",
    "reply_elsewhere",
    "resource_unknown",
    "resource_reference_unusable",
]
"""What can be wrong with the arguments of a tool or a resource: only agents meet these."""
ReferenceCause = Literal["reference_unusable", "deployment_not_named", "deployment_none_running", "name_ambiguous"]
CredentialsCause = Literal["key_pair_rejected", "apikey_missing", "apikey_rejected"]
AccessCause = Literal["list_denied", "deployment_denied", "quota_used_up"]
NotFoundCause = Literal["deployment_unknown", "name_unknown"]
NotReadyCause = Literal[
    "deployment_starting",
    "deployment_stopping",
    "deployment_stopped",
    "deployment_failed",
    "deployment_state_unknown",
    "model_loading",
    "no_instance",
]
ModelCause = Literal[
    "model_unknown",
    "no_model_known",
    "model_refused",
    "model_refused_though_listed",
    "model_refused_though_reported",
    "model_unlisted",
    "adapter_refused",
    "adapter_partly_loaded",
]
ContextCause = Literal["context_too_long"]
RequestCause = Literal[
    "tool_parser_missing",
    "images_unsupported",
    "schema_unsupported",
    "request_unreadable",
    "content_filtered",
    "request_refused",
    "failure_reported",
]
RateCause = Literal["rate_limited", "accounts_full", "places_full"]
TimeoutCause = Literal["no_answer", "gave_up_waiting", "answer_stalled", "queued_too_long"]
UnavailableCause = Literal[
    "dns_failed",
    "tls_distrusted",
    "connection_refused",
    "connection_timed_out",
    "connection_closed",
    "upstream_failing",
    "engine_error",
    "answer_empty",
    "server_stopping",
    "store_unavailable",
]
UnexpectedCause = Literal[
    "base_url_path_wrong",
    "list_missing",
    "endpoint_missing",
    "redirect",
    "odd_status",
    "broken_encoding",
    "broken_http",
    "body_too_large",
    "event_too_large",
    "events_not_json",
    "url_unusable",
    "html_page",
    "not_json",
    "json_of_wrong_shape",
    "list_of_wrong_shape",
    "deployment_absent",
    "deployment_of_wrong_shape",
    "model_names_unreadable",
    "service_url_missing",
    "service_url_refused",
    "apikey_unusable",
]
BugCause = Literal["bug"]
Cause = Literal[
    ConfigurationCause,
    ArgumentCause,
    ReferenceCause,
    CredentialsCause,
    AccessCause,
    NotFoundCause,
    NotReadyCause,
    ModelCause,
    ContextCause,
    RequestCause,
    RateCause,
    TimeoutCause,
    UnavailableCause,
    UnexpectedCause,
    BugCause,
]
"""What exactly went wrong."""

LOADING: Final = frozenset[Cause]({"deployment_starting", "model_loading", "no_instance"})
"""Causes that pass once the deployment's model is loaded."""
MAY_HAVE_BEGUN: Final = frozenset[Cause]({"no_answer", "connection_closed", "gave_up_waiting", "answer_stalled"})
"""Causes after which an engine may be generating all the same."""
