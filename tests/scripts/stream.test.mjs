// Server-sent events, and the progress that their comments report.

import assert from "node:assert/strict";
import { test } from "node:test";
import { canRetry, errorText, isRejected } from "../../function/web/page/scripts/error-text.js";
import { EventStream } from "../../function/web/page/scripts/event-stream.js";
import { coldProgress, CONNECTING, detailText, phaseText, progressed, roughly } from "../../function/web/page/scripts/progress.js";

const STREAM = ': fetching 5%\r\n\r\nevent: error\ndata: {"a":1}\n\ndata: one\ndata: two\r\rdata: [DONE]\n\n';
const EVENTS = [{ comment: "fetching 5%" }, { name: "error", data: '{"a":1}' }, { name: "message", data: "one\ntwo" }, { name: "message", data: "[DONE]" }];

test("events are the same in pieces of any length", () => {
  for (let size = 1; size <= STREAM.length; size += 1) {
    const stream = new EventStream();
    const found = [];
    for (let at = 0; at < STREAM.length; at += size) found.push(...stream.feed(STREAM.slice(at, at + size)));
    assert.deepEqual(found, EVENTS, `pieces of ${size}`);
  }
});

test("comments become phases with shares and times", () => {
  const state = progressed(CONNECTING, "fetching 41% eta 3.2s");
  assert.deepEqual(state, { phase: "fetching", cold: true, done: 0.41, eta: 3.2, detail: "" });
  assert.equal(detailText(state), "41% · about 3 s left");
  const queued = progressed(state, "queued 2");
  assert.equal(`${phaseText(queued)}: ${detailText(queued)}`, "Waiting for the model to be free: 2 requests ahead");
  assert.equal(queued.cold, true);
  assert.equal(detailText(progressed(CONNECTING, "prefill 512/900")), "512 of 900 tokens");
  assert.equal(progressed(CONNECTING, "keepalive").phase, "waiting");
});

test("the state of the server becomes progress only while it starts", () => {
  assert.deepEqual(coldProgress({ state: "loading", done: 0.5 }), { phase: "loading", cold: true, done: 0.5, eta: null, detail: "" });
  assert.equal(coldProgress({ state: "ready" }), null);
  assert.equal(coldProgress({ state: "failed" }), null);
});

test("times are in words", () => {
  assert.deepEqual([0.4, 1, 89, 90, 355].map(roughly), ["less than a second", "about 1 s", "about 89 s", "about 2 min", "about 6 min"]);
});

test("errors are in a visitor's words", () => {
  assert.match(errorText({ kind: "refused", code: "context_length_exceeded" }), /longer than the model can read/);
  assert.match(errorText({ kind: "refused", param: "top_k" }), /“Top k”/);
  assert.match(errorText({ kind: "refused", param: "continue_final_message" }), /cannot continue/);
  assert.match(errorText({ kind: "unavailable", permanent: true }), /operator/);
  assert.match(errorText({ kind: "busy" }), /Others/);
});

test("only rejected requests are left out, and only some errors can be tried again", () => {
  assert.deepEqual([400, 413, 422, 401, 429, 503].map((status) => isRejected({ status })), [true, true, true, false, false, false]);
  assert.equal(isRejected(null), false);
  assert.deepEqual([canRetry({}), canRetry({ permanent: true }), canRetry({ permanent: true, param: "seed" })], [true, false, true]);
});
