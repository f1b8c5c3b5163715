#!/usr/bin/env python3
"""Google's own SDK judges the simulator.

    pip install google-genai
    python3 tests/sdk/google_sdk.py http://127.0.0.1:8090

Takes the simulator's address, without a path. Exits 0 when every check held, 1 otherwise. It sets
faults on the whole server, so nobody else should be using it.
"""

import asyncio
import json
import sys
import time
import traceback
import urllib.error
import urllib.request

from google import genai
from google.genai import errors, types
from pydantic import BaseModel

SYSTEM = """You help salespeople.

## Product
Name: Beacon
Key features: instant alerts; shared inbox

## Client
Name: Ana Reyes
Pain points: slow answers; lost tickets"""
QUESTION = "How do I open the call about pricing?"
MODEL = "gemini-2.5-flash"


class Email(BaseModel):
    """For the SDK's own parsing of structured output."""

    subject: str
    body: str
    points: list[str]


class Judge:
    """The SDK against one simulator."""

    def __init__(self, url):
        self.url = url
        self.client = self.connect()

    def connect(self, key="any-key", **options):
        return genai.Client(api_key=key, http_options={"base_url": self.url} | options)

    @staticmethod
    def asked(**config):
        config = types.GenerateContentConfig(system_instruction=SYSTEM, **config)
        return {"model": MODEL, "contents": QUESTION, "config": config}

    def generate(self, **config):
        return self.client.models.generate_content(**self.asked(**config))

    def control(self, method, rule=None):
        body = None if rule is None else json.dumps(rule).encode()
        request = urllib.request.Request(f"{self.url}/_control", data=body, method=method)
        with urllib.request.urlopen(request) as response:
            assert response.status == 200

    def log(self):
        with urllib.request.urlopen(f"{self.url}/_log") as response:
            return json.load(response)

    @staticmethod
    def raises(kind, call):
        try:
            call()
        except kind as error:
            return error
        raise AssertionError(f"no {kind.__name__}")

    def check_plain(self):
        answer = self.generate(temperature=0.4)
        assert "Ana Reyes" in answer.text and "Beacon" in answer.text, answer.text
        assert answer.candidates[0].finish_reason == types.FinishReason.STOP
        usage = answer.usage_metadata
        assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count
        assert answer.model_version == MODEL and answer.response_id
        assert self.generate().text == answer.text, "not the same answer"
        short = self.generate(max_output_tokens=3)
        assert short.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
        assert short.usage_metadata.candidates_token_count == 3
        entry = self.log()[-1]
        assert entry["dialect"] == "google" and entry["max_tokens"] == 3, entry
        assert entry["messages"][0] == {"role": "system", "content": SYSTEM}

    def check_stream(self):
        whole = self.generate()
        text, last = "", None
        for chunk in self.client.models.generate_content_stream(**self.asked()):
            text += chunk.text or ""
            last = chunk
        assert text == whole.text
        assert last.candidates[0].finish_reason == types.FinishReason.STOP
        counted = last.usage_metadata.candidates_token_count
        assert counted == whole.usage_metadata.candidates_token_count

    def check_async(self):
        async def read():
            text = ""
            stream = await self.client.aio.models.generate_content_stream(**self.asked())
            async for chunk in stream:
                text += chunk.text or ""
            return text

        assert asyncio.run(read()) == self.generate().text

    def check_chat(self):
        chat = self.client.chats.create(
            model=MODEL, config=types.GenerateContentConfig(system_instruction=SYSTEM)
        )
        first = chat.send_message("How do I open?").text
        assert first and chat.send_message("And then?").text
        roles = [message["role"] for message in self.log()[-1]["messages"]]
        assert roles == ["system", "user", "assistant", "user"], roles

    def check_schema(self):
        kind = {"response_mime_type": "application/json"}
        answer = self.generate(**kind, response_schema=Email)
        assert isinstance(answer.parsed, Email) and "Ana" in answer.parsed.body, answer.text
        answer = self.generate(**kind, response_schema=list[Email])
        assert answer.parsed and all(isinstance(item, Email) for item in answer.parsed)
        answer = self.generate(**kind, response_json_schema=Email.model_json_schema())
        assert "Ana" in Email.model_validate_json(answer.text).body
        assert isinstance(json.loads(self.generate(**kind).text), dict)
        text = ""
        asked = self.asked(**kind, response_schema=Email)
        for chunk in self.client.models.generate_content_stream(**asked):
            text += chunk.text or ""
        Email.model_validate_json(text)

    def check_errors(self):
        statuses = {
            400: (errors.ClientError, "INVALID_ARGUMENT"),
            403: (errors.ClientError, "PERMISSION_DENIED"),
            404: (errors.ClientError, "NOT_FOUND"),
            429: (errors.ClientError, "RESOURCE_EXHAUSTED"),
            500: (errors.ServerError, "INTERNAL"),
            503: (errors.ServerError, "UNAVAILABLE"),
            504: (errors.ServerError, "DEADLINE_EXCEEDED"),
        }
        for status, (kind, name) in statuses.items():
            self.control("POST", {"status": status, "requests": 2})
            error = self.raises(kind, self.generate)
            assert (error.code, error.status) == (status, name) and error.message, error
            stream = self.client.models.generate_content_stream(**self.asked())
            error = self.raises(kind, lambda: list(stream))
            assert (error.code, error.status) == (status, name), error
        error = self.raises(errors.ClientError, lambda: self.generate(temperature=9))
        assert error.code == 400 and "temperature" in error.message, error
        self.control("POST", {"context_too_long": True, "requests": 1})
        error = self.raises(errors.ClientError, self.generate)
        assert "exceeds the maximum number of tokens" in error.message, error

    def check_quota(self):
        self.control("POST", {"status": 429, "retry_after_s": 7, "quota": "day", "requests": 1})
        error = self.raises(errors.ClientError, self.generate)
        details = {item["@type"].rsplit(".", 1)[1]: item for item in error.details["error"]["details"]}
        assert details["RetryInfo"]["retryDelay"] == "7s"
        assert "PerDay" in details["QuotaFailure"]["violations"][0]["quotaId"]

    def check_key(self):
        request = urllib.request.Request(
            f"{self.url}/v1beta/models/{MODEL}:generateContent", data=b"{}", method="POST"
        )
        error = self.raises(urllib.error.HTTPError, lambda: urllib.request.urlopen(request))
        assert error.code == 403

    def check_refusal(self):
        self.control("POST", {"refuse": True, "requests": 1})
        answer = self.generate()
        assert answer.candidates[0].finish_reason == types.FinishReason.SAFETY

    def check_retry(self):
        self.control("POST", {"status": 503, "requests": 1})
        client = self.connect(retry_options=types.HttpRetryOptions(attempts=2, initial_delay=0.1))
        assert client.models.generate_content(**self.asked()).text

    def check_cut(self):
        self.control("POST", {"cut_after_tokens": 3, "requests": 1})
        tokens = []

        def read():
            for chunk in self.client.models.generate_content_stream(**self.asked()):
                tokens.append(chunk.text)

        self.raises(Exception, read)
        assert len(tokens) == 3, tokens

    def check_malformed(self):
        self.control("POST", {"malformed": True, "requests": 1})
        stream = self.client.models.generate_content_stream(**self.asked())
        self.raises(Exception, lambda: list(stream))

    def check_hang(self):
        self.control("POST", {"hang": True, "requests": 1})
        client = self.connect(timeout=300)
        began = time.monotonic()
        self.raises(Exception, lambda: client.models.generate_content(**self.asked()))
        assert time.monotonic() - began < 10

    def check_models(self):
        names = [model.name for model in self.client.models.list()]
        assert f"models/{MODEL}" in names, names
        model = self.client.models.get(model=MODEL)
        assert model.input_token_limit > 0 and "generateContent" in model.supported_actions
        error = self.raises(errors.ClientError, lambda: self.client.models.get(model="nobody"))
        assert error.code == 404

    def check_count(self):
        counted = self.client.models.count_tokens(model=MODEL, contents=QUESTION)
        assert counted.total_tokens > 0

    def run(self):
        failed = 0
        for check in [name for name in dir(self) if name.startswith("check_")]:
            self.control("DELETE")
            try:
                getattr(self, check)()
                print(f"ok   google {check}")
            except Exception:
                failed += 1
                print(f"FAIL google {check}")
                traceback.print_exc()
        self.control("DELETE")
        return failed


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(1 if Judge(sys.argv[1].rstrip("/")).run() else 0)


if __name__ == "__main__":
    main()
