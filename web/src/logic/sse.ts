// Server-sent events out of a fetched stream. `EventSource` cannot send a key as a header, so the framing is read here
// (the parsing rules of the HTML standard, "Server-sent events"). No network, no state beyond one stream.

export interface Message {
  id: string;
  event: string;
  data: string;
}

/** Takes text in any pieces and gives back the messages completed by each piece. */
export class EventParser {
  #rest = "";
  #id = "";
  #event = "";
  #data: string[] = [];

  push(text: string): Message[] {
    const messages: Message[] = [];
    this.#rest += text;
    // A carriage return at the very end may be the first half of CRLF: it waits for the next piece.
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const message = this.#line(line);
      if (message) messages.push(message);
    }
    return messages;
  }

  #line(line: string): Message | null {
    if (line === "") {
      const done = { id: this.#id, event: this.#event || "message", data: this.#data.join("\n") };
      const empty = this.#data.length === 0;
      this.#event = "";
      this.#data = [];
      return empty ? null : done;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    return null; // `retry` and comments (heartbeats) carry nothing for us
  }
}
