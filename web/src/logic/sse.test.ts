import { describe, expect, it } from "vitest";
import { EventParser } from "./sse";

const stream =
  'id: 1\nevent: status\ndata: {"a":1}\n\n: heartbeat\n\nid: 2\ndata: x\ndata: y\n\nevent: end\ndata: {}\n\n';

describe("a stream of events", () => {
  it("is the same whatever the pieces it comes in", () => {
    for (let size = 1; size <= stream.length; size += 1) {
      for (const text of [stream, stream.replaceAll("\n", "\r\n"), stream.replaceAll("\n", "\r")]) {
        const parser = new EventParser();
        const messages = [];
        for (let at = 0; at < text.length; at += size) messages.push(...parser.push(text.slice(at, at + size)));
        messages.push(...parser.push(""));
        const said = messages.map(({ id, event, data }) => `${id} ${event} ${data}`);
        // With bare carriage returns the last one waits for a line feed that may follow.
        const whole = ['1 status {"a":1}', "2 message x\ny", "2 end {}"];
        expect(said).toEqual(text.endsWith("\n") ? whole : whole.slice(0, said.length));
        expect(said.length).toBeGreaterThanOrEqual(2);
      }
    }
  });

  it("gives nothing for an event without data", () => {
    expect(new EventParser().push("event: x\n\n")).toEqual([]);
  });
});
