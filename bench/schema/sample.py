"""One request that the runner measured: raw facts, in the form in which a result file keeps them.

Stamps are whole nanoseconds of the monotonic clock, as offsets. Nothing here is a statistic.
"""

from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, model_validator

from bench.schema.fields import Count, Nanoseconds, Record, StampedBy, TokenCount

FAILURE_KINDS: dict[str, str] = {
    "not-found": "the model is not in the catalogue, on disk or at the endpoint",
    "register": "the model directory cannot be registered",
    "download": "the model could not be downloaded",
    "load": "the model could not be loaded",
    "generate": "the runtime failed while answering",
    "out-of-memory": "there was not enough memory to load the model or to answer",
    "too-long": "prompt and answer do not fit the model's context",
    "empty": "the answer has no text",
    "cut-off": "the stream ended without a finish reason",
    "content-filter": "a filter of the endpoint stopped the answer",
    "tool-calls": "the model called tools and gave no text",
    "no-choices": "the answer has none of the choices that hold its text",
    "refused": "the endpoint refused the connection",
    "name-not-found": "the name of the endpoint's machine is not known",
    "unreachable": "no network leads to the endpoint",
    "proxy": "the proxy that the environment names did not lead to the endpoint",
    "tls": "no secure connection, as for a certificate that is not trusted",
    "connect-timeout": "no connection within timeouts.connect_s",
    "reset": "the endpoint broke the connection before it answered",
    "connection": "the connection broke in the middle of the answer, or in a way of no kind of its own",
    "not-http": "what answered does not speak HTTP",
    "redirect": "the endpoint sent the request elsewhere; redirects are not followed",
    "bad-request": "the endpoint did not take the request (400, 422)",
    "unauthorised": "the endpoint wants another key (401)",
    "forbidden": "the key may not do this (403)",
    "too-large": "the request is too large for the endpoint (413)",
    "rate-limited": "the endpoint limits how much may be asked (429)",
    "server-timeout": "the endpoint, or what stands before it, gave up waiting (408, 504)",
    "server-error": "the endpoint failed (500 and above)",
    "bad-gateway": "what stands before the endpoint does not reach it (502)",
    "unavailable": "the endpoint is overloaded or still starting (503, 529)",
    "http": "the endpoint answered with another status than success",
    "endpoint-error": "the endpoint sent an error where the answer should be",
    "not-sse": "the answer to a streamed request is no event stream",
    "decode": "the answer could not be decoded",
    "no-first-text": "no text within timeouts.first_text_s, or an answer that began without text and stopped",
    "stalled": "nothing for timeouts.gap_s in the middle of the answer",
    "timeout": "not finished within timeouts.request_s, or another limit of the config",
    "died": "the process that held the model died",
    "not-run": "not tried, because something before it failed",
}
"""Every kind of failure, with its meaning. A sample or a model that failed names one of them."""


class Failure(Record):
    """Why a model or a sample gave nothing that can be measured."""

    kind: str = Field(description="one of the known kinds of failure")
    message: str = Field(description="one line for a person")


class ServerTimings(Record):
    """What a server itself says of one request; null where it says nothing of a part."""

    prompt_tokens: TokenCount | None = Field(description="tokens of the prompt that it worked on: cached ones are not")
    prompt_ns: Nanoseconds | None = Field(description="how long it worked on them")
    output_tokens: TokenCount | None
    output_ns: Nanoseconds | None = Field(description="how long it generated")


class Sample(Record):
    """One request and its answer: when each piece of text came, and how it ended.

    `chunk_ns` has the arrival of each chunk that carries text, from the start of the request, in order of arrival; it
    is empty for an answer that was not streamed.
    `first_answer_chunk` is the index in `chunk_ns` of the first chunk that is answer and not reasoning.
    `output` is a key of the result's `outputs`. A failed sample keeps what was measured until it failed.
    """

    prompt: str = Field(description="id of the prompt")
    round: Count = Field(description="from 1; 0 for a warm-up request")
    position: Count = Field(description="place in the order of sending, from 0, counted for each model")
    start_ns: Nanoseconds = Field(description="start of the request, from the start of this model's first request")
    connect_ns: Nanoseconds | None = Field(
        description="setting up the connection, before the request's start; null where none was set up for it"
    )
    sent_ns: Nanoseconds | None = Field(
        description="the whole request handed to the system, from the request's start; null in-process"
    )
    stamped_by: StampedBy = Field(
        description="whose clock readings the arrivals are: this process's, or those of the system's network stack"
    )
    chunk_ns: tuple[Nanoseconds, ...] = Field(description="arrival of each chunk with text, from the request's start")
    first_chunk_tokens: TokenCount | None = Field(
        description="tokens of the first chunk with text where they were several; null: one, or nobody knows"
    )
    first_answer_chunk: Count | None = Field(description="index in chunk_ns of the first answer text; null if none")
    shared_reads: Count = Field(
        description="chunks with text that came in one read, or in-process in one go, with the chunk before them"
    )
    end_ns: Nanoseconds | None = Field(description="last byte, from the request's start; null if it never came")
    prompt_tokens: TokenCount | None = Field(description="tokens of the prompt; null if nobody counted")
    cached_prompt_tokens: TokenCount | None = Field(
        description="those of the prompt that the runtime took from its prompt cache; null if it does not say"
    )
    output_tokens: TokenCount | None = Field(
        description="tokens of the output, never of the prompt; null if nobody counted"
    )
    tokens_source: Literal["usage", "tokenizer", "none"] = Field(description="who counted the tokens")
    finish_reason: str | None = Field(description="stop, length, ... as the runtime says; null if it said nothing")
    server: ServerTimings | None = Field(description="the server's own view; null where it gives none")
    output: str | None = Field(description="key of the text in outputs; null if there is no text")
    failure: Failure | None = Field(description="null for a good sample")

    @model_validator(mode="after")
    def _stamps_are_possible(self) -> Self:
        # Sorting what is in order already is a single pass, far quicker than one here.
        if list(self.chunk_ns) != sorted(self.chunk_ns):
            earlier, later = next(pair for pair in pairwise(self.chunk_ns) if pair[1] < pair[0])
            raise ValueError(f"chunk_ns goes back in time, from {earlier} to {later}")
        if self.end_ns is not None and self.chunk_ns and self.end_ns < self.chunk_ns[-1]:
            raise ValueError(f"end_ns is {self.end_ns}, before the last chunk at {self.chunk_ns[-1]}")
        if self.first_answer_chunk is not None and self.first_answer_chunk >= len(self.chunk_ns):
            raise ValueError(f"first_answer_chunk is {self.first_answer_chunk}, but chunk_ns has {len(self.chunk_ns)}")
        if self.failure is None and (self.end_ns is None or self.output is None):
            raise ValueError("a good sample has an end and an output; this one has no failure either")
        return self
