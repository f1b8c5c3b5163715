#!/usr/bin/env python3
"""The vendors' own SDKs judge the simulator.

    pip install openai groq
    python3 tests/sdk/openai_sdk.py http://127.0.0.1:8085

Takes the simulator's address, without a path. Exits 0 when every check held, 1 otherwise. It sets
faults on the whole server, so nobody else should be using it.
"""

import json
import sys
import time
import traceback
import urllib.request

import groq
import openai
from pydantic import BaseModel

SYSTEM = """You help salespeople.

## Product
Name: Beacon
Key features: instant alerts; shared inbox

## Client
Name: Ana Reyes
Pain points: slow answers; lost tickets"""
MESSAGES = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": "How do I open the call about pricing?"},
]
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "email",
        "strict": True,
        "schema": {
            "type": "object",
            "additionalProperties": False,
            "required": ["subject", "body", "points"],
            "properties": {
                "subject": {"type": "string"},
                "body": {"type": "string"},
                "points": {"type": "array", "items": {"type": "string"}},
            },
        },
    },
}


class Email(BaseModel):
    """For the SDK's own parsing of structured output."""

    subject: str
    body: str
    points: list[str]


class Judge:
    """One SDK against one base URL."""

    def __init__(self, name, sdk, client, model, url):
        self.name, self.sdk, self.client, self.model, self.url = name, sdk, client, model, url

    def create(self, **options):
        options = {"model": self.model, "messages": MESSAGES} | options
        return self.client.chat.completions.create(**options)

    def control(self, method, rule=None):
        body = None if rule is None else json.dumps(rule).encode()
        request = urllib.request.Request(f"{self.url}/_control", data=body, method=method)
        with urllib.request.urlopen(request) as response:
            assert response.status == 200

    def raises(self, kind, call):
        try:
            call()
        except kind as error:
            return error
        raise AssertionError(f"no {kind.__name__}")

    @staticmethod
    def said(error):
        """The error object: OpenAI's SDK unwraps it, Groq's doesn't."""
        return error.body.get("error", error.body)

    def check_plain(self):
        answer = self.create(temperature=0.4)
        text = answer.choices[0].message.content
        assert "Ana Reyes" in text and "Beacon" in text, text
        assert answer.choices[0].finish_reason == "stop"
        usage = answer.usage
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
        assert self.create().choices[0].message.content == text, "not the same answer"
        short = self.create(max_tokens=3)
        assert short.choices[0].finish_reason == "length"
        assert short.usage.completion_tokens == 3

    def check_headers(self):
        raw = self.client.chat.completions.with_raw_response.create(
            model=self.model, messages=MESSAGES
        )
        assert raw.headers["x-request-id"].startswith("req_")
        assert int(raw.headers["x-ratelimit-remaining-tokens"]) > 0

    def check_stream(self):
        whole = self.create()
        text, usage, groq_usage, finish = "", None, None, None
        options = {} if self.sdk is groq else {"stream_options": {"include_usage": True}}
        for chunk in self.create(stream=True, **options):
            usage = chunk.usage or usage
            extra = getattr(chunk, "x_groq", None)
            groq_usage = (extra and extra.usage) or groq_usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
        assert text == whole.choices[0].message.content
        assert finish == "stop"
        counted = groq_usage if self.sdk is groq else usage
        assert counted.completion_tokens == whole.usage.completion_tokens

    def check_schema(self):
        answer = self.create(response_format=SCHEMA)
        email = Email.model_validate_json(answer.choices[0].message.content)
        assert "Ana" in email.body and "Beacon" in email.body, email.body
        if self.sdk is openai:
            parsed = self.client.chat.completions.parse(
                model=self.model, messages=MESSAGES, response_format=Email
            )
            assert isinstance(parsed.choices[0].message.parsed, Email)

    def check_json_object(self):
        messages = [*MESSAGES, {"role": "user", "content": "Answer as JSON."}]
        answer = self.create(messages=messages, response_format={"type": "json_object"})
        assert isinstance(json.loads(answer.choices[0].message.content), dict)

    def check_errors(self):
        kinds = {
            429: self.sdk.RateLimitError,
            500: self.sdk.InternalServerError,
            503: self.sdk.InternalServerError,
            401: self.sdk.AuthenticationError,
            404: self.sdk.NotFoundError,
        }
        for status, kind in kinds.items():
            self.control("POST", {"status": status, "requests": 1})
            error = self.raises(kind, self.create)
            assert error.status_code == status and self.said(error)["message"]
        self.control("POST", {"status": 429, "retry_after_s": 2, "requests": 1})
        error = self.raises(self.sdk.RateLimitError, self.create)
        assert error.response.headers["retry-after"] == "2"
        error = self.raises(self.sdk.BadRequestError, lambda: self.create(temperature=9))
        assert self.said(error)["param"] == "temperature"

    def check_retry(self):
        self.control("POST", {"status": 429, "retry_after_s": 1, "requests": 1})
        began = time.monotonic()
        answer = self.client.with_options(max_retries=1).chat.completions.create(
            model=self.model, messages=MESSAGES
        )
        assert answer.choices and time.monotonic() - began >= 1, "Retry-After was not heeded"

    def check_cut(self):
        self.control("POST", {"cut_after_tokens": 3, "requests": 1})
        tokens = []

        def read():
            for chunk in self.create(stream=True):
                tokens.extend(c.delta.content for c in chunk.choices if c.delta.content)

        self.raises(Exception, read)
        assert len(tokens) == 3, tokens

    def check_hang(self):
        self.control("POST", {"hang": True, "requests": 1})
        client = self.client.with_options(timeout=0.3)
        create = client.chat.completions.create
        self.raises(
            self.sdk.APITimeoutError, lambda: create(model=self.model, messages=MESSAGES)
        )

    def check_models(self):
        names = [model.id for model in self.client.models.list().data]
        assert self.model in names, names

    def run(self):
        failed = 0
        for check in [name for name in dir(self) if name.startswith("check_")]:
            self.control("DELETE")
            try:
                getattr(self, check)()
                print(f"ok   {self.name} {check}")
            except Exception:
                failed += 1
                print(f"FAIL {self.name} {check}")
                traceback.print_exc()
        self.control("DELETE")
        return failed


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    url = sys.argv[1].rstrip("/")
    options = {"api_key": "any-key", "max_retries": 0}
    judges = [
        Judge(
            "openai", openai, openai.OpenAI(base_url=f"{url}/v1", **options), "gpt-4o-mini", url
        ),
        Judge("groq", groq, groq.Groq(base_url=url, **options), "llama-3.1-8b-instant", url),
    ]
    failed = sum(judge.run() for judge in judges)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
