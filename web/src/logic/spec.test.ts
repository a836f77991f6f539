import { describe, expect, it } from "vitest";
import { body, curl, type Form, parseObject } from "./spec";

const empty: Form = {
  dataset: "iris",
  target: "species",
  name: "",
  hidden: "",
  epochs: "",
  optimizer: "",
  learningRate: "",
  more: "",
};

describe("the body of a new job", () => {
  it("is the least spec when nothing else was chosen", () => {
    expect(body(empty)).toEqual({ ok: true, body: { dataset: "iris", target: "species" } });
  });

  it("takes what the form offers", () => {
    const form = { ...empty, hidden: "64, 32", epochs: "20", optimizer: "sgd", learningRate: "0.1", name: " a " };
    expect(body(form)).toEqual({
      ok: true,
      body: {
        name: "a",
        dataset: "iris",
        target: "species",
        hidden_layers: [64, 32],
        epochs: 20,
        optimizer: { type: "sgd", learning_rate: 0.1 },
      },
    });
  });

  it("lets the JSON win over the form", () => {
    const form = { ...empty, epochs: "20", more: '{"epochs":5,"targets":[{"column":"a"}]}' };
    expect(body(form)).toEqual({ ok: true, body: { dataset: "iris", epochs: 5, targets: [{ column: "a" }] } });
  });

  it("names the field that makes no sense", () => {
    expect(body({ ...empty, hidden: "64, many" })).toMatchObject({ ok: false, field: "hidden" });
    expect(body({ ...empty, epochs: "1.5" })).toMatchObject({ ok: false, field: "epochs" });
    expect(body({ ...empty, learningRate: "fast" })).toMatchObject({ ok: false, field: "learningRate" });
    expect(body({ ...empty, more: "{" })).toMatchObject({ ok: false, field: "more" });
    expect(parseObject("[1]")).toBe("Write an object: { … }.");
  });
});

describe("the same request for a terminal", () => {
  it("survives a quote in a name and never shows the key", () => {
    const line = curl("http://127.0.0.1:8080", { target: "it's" }, true);
    expect(line).toContain(`--json '{"target":"it'\\''s"}'`);
    expect(line).toContain('"Authorization: Bearer $TRAINYARD_API_KEY"');
  });
});
